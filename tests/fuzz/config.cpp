// A configuration file: errors are one line, and what is accepted can be used.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "remote/config/node_address.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    Config config;
    auto merged = merge_config(text, "pmi.toml", &config);
    if (!merged && merged.error().message().find('\n') != std::string::npos) std::abort();
    for (const auto& [name, node] : config.nodes)
        if (!is_node_name(name) || node.address.host.empty() || !resolve_node(config, name)) std::abort();
    (void)parse_size(text);
    auto address = resolve_node(config, text);
    if (address && address->host.empty()) std::abort();
    return 0;
}

// The connection for pages that a program needs now: whatever parses must hold what it says.
#include "remote/wire/page_demand.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    if (size == 0) return 0;
    std::span body(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
    if (auto ask = parse_page_ask(data[0], body); ask && (ask->pages == 0 || ask->pages > kMostAsked)) std::abort();
    auto answer = parse_page_answer(data[0], body);
    if (answer && answer->type == DemandType::Pages && answer->bytes.size() != size_t{answer->range.pages} * 4096) std::abort();
    if (answer && answer->type == DemandType::Zeros && !answer->bytes.empty()) std::abort();
    return 0;
}

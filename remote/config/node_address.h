// What a person means by NODE: a name from the configuration, or HOST[:PORT].
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "remote/config/config.h"
#include "remote/transport/keys.h"
#include "runtime/base/error.h"

namespace pmi {

struct NodeAddress {
    std::string name;  // from the configuration, else as it was typed
    std::string host;
    uint16_t port = kDefaultPort;
    std::string key;  // from the configuration, else empty
    std::string show() const { return show_host_port(host, port); }
};

Expected<NodeAddress> resolve_node(const Config& config, std::string_view text);

// The keys by which that node may prove itself, to be tried in order. One that was named (in the
// configuration or with "pmictl key trust KEY NAME") is the only one; else our own, since node and home may
// share it, and then all that we trust.
std::vector<std::string> candidate_keys(const Keyring& ring, const NodeAddress& node);

}  // namespace pmi

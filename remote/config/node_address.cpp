#include "remote/config/node_address.h"

#include <algorithm>

namespace pmi {

Expected<NodeAddress> resolve_node(const Config& config, std::string_view text) {
    if (auto found = config.nodes.find(std::string(text)); found != config.nodes.end()) {
        const ConfiguredNode& node = found->second;
        return NodeAddress{found->first, node.address.host, node.address.port, node.key};
    }
    auto parsed = parse_host_port(text);
    if (!parsed) return std::move(parsed.error()).within("node");
    for (auto& [name, node] : config.nodes)
        if (node.address.host == parsed->host && node.address.port == parsed->port)
            return NodeAddress{name, parsed->host, parsed->port, node.key};
    return NodeAddress{std::string(text), parsed->host, parsed->port, ""};
}

std::vector<std::string> candidate_keys(const Keyring& ring, const NodeAddress& node) {
    if (!node.key.empty()) return {node.key};
    std::vector<std::string> keys{ring.own().public_key};
    auto trusted = ring.list();
    if (!trusted) return keys;
    for (auto& entry : *trusted) {
        if (entry.name == node.name || entry.name == node.host) return {entry.public_key};
        if (std::find(keys.begin(), keys.end(), entry.public_key) == keys.end()) keys.push_back(entry.public_key);
    }
    return keys;
}

}  // namespace pmi

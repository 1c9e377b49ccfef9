#include "remote/config/config.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <limits>

// Header-only use would be compiled into every includer; only this file includes it.
#include <toml++/toml.h>

#include "remote/transport/call_channel.h"
#include "remote/transport/key_pair.h"
#include "runtime/base/fd.h"

namespace pmi {

namespace {

// Where in which file, for messages.
struct Place {
    const std::string& file;
    const toml::node& node;
    std::string show() const { return fmt::format("{}:{}", file, node.source().begin.line); }
};

Expected<std::string> as_string(const Place& at, const std::string& key) {
    auto value = at.node.value_exact<std::string>();
    if (!value) return fail("{}: {} must be a string", at.show(), key);
    return *value;
}

Expected<HostPort> as_address(const Place& at, const std::string& key) {
    TRY_ASSIGN(std::string text, as_string(at, key));
    auto parsed = parse_host_port(text);
    if (!parsed) return fail("{}: {}: {}", at.show(), key, parsed.error().message());
    return parsed;
}

Expected<uint64_t> as_size(const Place& at, const std::string& key) {
    if (auto number = at.node.value_exact<int64_t>(); number && *number >= 0) return static_cast<uint64_t>(*number);
    if (auto text = at.node.value_exact<std::string>()) {
        auto size = parse_size(*text);
        if (!size) return fail("{}: {}: {}", at.show(), key, size.error().message());
        return size;
    }
    return fail("{}: {} must be a size, such as \"8G\" or a number of bytes", at.show(), key);
}

Expected<uint32_t> as_seconds(const Place& at, const std::string& key) {
    auto number = at.node.value_exact<int64_t>();
    if (!number || *number < 0 || *number > kMaxReconnectSeconds)
        return fail("{}: {} must be a number of seconds, 0 to {}", at.show(), key, kMaxReconnectSeconds);
    return static_cast<uint32_t>(*number);
}

Error unknown_key(const Place& at, const std::string& table, std::string_view key) {
    return fail("{}: unknown key \"{}\" in [{}]", at.show(), key, table);
}

Status read_pmi(const toml::table& table, const std::string& file, Config* config) {
    for (auto&& [name, node] : table) {
        Place at{file, node};
        std::string key(name.str());
        if (key == "reconnect_seconds") {
            TRY_ASSIGN(config->reconnect_seconds, as_seconds(at, key));
            continue;
        }
        std::string* target = key == "node" ? &config->node : key == "keys" ? &config->keys : key == "log" ? &config->log : nullptr;
        if (target == nullptr) return unknown_key(at, "pmi", key);
        TRY_ASSIGN(*target, as_string(at, key));
        if (key == "keys" && !target->starts_with('/'))
            return fail("{}: keys must be an absolute path, not \"{}\"", at.show(), *target);
    }
    return {};
}

Status read_node(const toml::table& table, const std::string& file, const std::string& name, Config* config) {
    ConfiguredNode entry;
    for (auto&& [key_name, node] : table) {
        Place at{file, node};
        std::string key(key_name.str());
        if (key == "address") {
            TRY_ASSIGN(entry.address, as_address(at, key));
        } else if (key == "key") {
            TRY_ASSIGN(entry.key, as_string(at, key));
            if (!is_key(entry.key)) return fail("{}: key is not a public key ({} Z85 characters)", at.show(), kKeyText);
        } else {
            return unknown_key(at, "nodes." + name, key);
        }
    }
    if (entry.address.host.empty()) return fail("{}: [nodes.{}] has no address", Place{file, table}.show(), name);
    config->nodes[name] = std::move(entry);
    return {};
}

Status read_nodes(const toml::table& table, const std::string& file, Config* config) {
    for (auto&& [name, node] : table) {
        Place at{file, node};
        if (!is_node_name(name.str())) return fail("{}: \"{}\" can't be a node's name", at.show(), name.str());
        if (name.str() == "home") return fail("{}: \"home\" is where a program was started, and can't be a node's name", at.show());
        const toml::table* entry = node.as_table();
        if (entry == nullptr) return fail("{}: nodes.{} must be a table: [nodes.{}]", at.show(), name.str(), name.str());
        TRY(read_node(*entry, file, std::string(name.str()), config));
    }
    return {};
}

Status read_guest_limit(const Place& at, const std::string& key, GuestLimits* guest) {
    auto whole = at.node.value_exact<int64_t>();
    if (key == "guest_memory_max") {
        TRY_ASSIGN(guest->memory_max, as_size(at, key));
    } else if (key == "guest_cpu_max") {
        auto cpus = check_cpu_max(at.node.value<double>().value_or(-1));
        if (!cpus) return fail("{}: {}: {}", at.show(), key, cpus.error().message());
        guest->cpu_max = *cpus;
    } else if (key == "guest_cpu_weight") {
        auto weight = check_cpu_weight(whole.value_or(-1));
        if (!weight) return fail("{}: {}: {}", at.show(), key, weight.error().message());
        guest->cpu_weight = *weight;
    } else if (key == "guest_pids_max") {
        if (!whole || *whole < 1 || *whole > std::numeric_limits<int32_t>::max())
            return fail("{}: {} must be a number, 1 or more", at.show(), key);
        guest->pids_max = static_cast<uint32_t>(*whole);
    } else {
        return unknown_key(at, "pmid", key);
    }
    return {};
}

Status read_pmid(const toml::table& table, const std::string& file, Config* config) {
    for (auto&& [name, node] : table) {
        Place at{file, node};
        std::string key(name.str());
        if (key == "listen") {
            TRY(as_address(at, key));
            TRY_ASSIGN(config->pmid.listen, as_string(at, key));
        } else if (key == "name") {
            TRY_ASSIGN(config->pmid.name, as_string(at, key));
            if (!is_node_name(config->pmid.name)) return fail("{}: name: can't be a node's name", at.show());
        } else if (key == "max_guests") {
            auto number = node.value_exact<int64_t>();
            if (!number || *number < 0 || *number > std::numeric_limits<uint32_t>::max())
                return fail("{}: max_guests must be a number, 0 or more", at.show());
            config->pmid.max_guests = static_cast<uint32_t>(*number);
        } else if (key == "memory_max") {
            TRY_ASSIGN(config->pmid.memory_max, as_size(at, key));
        } else if (key == "patching" || key == "own_files") {
            auto wanted = node.value_exact<bool>();
            if (!wanted) return fail("{}: {} must be true or false", at.show(), key);
            (key == "patching" ? config->pmid.patching : config->pmid.own_files) = *wanted;
        } else if (key.starts_with("guest_")) {
            TRY(read_guest_limit(at, key, &config->pmid.guest));
        } else {
            return unknown_key(at, "pmid", key);
        }
    }
    return {};
}

Status read_all_tables(const toml::table& root, const std::string& file, Config* config) {
    for (auto&& [name, node] : root) {
        Place at{file, node};
        const toml::table* table = node.as_table();
        if (name.str() != "pmi" && name.str() != "nodes" && name.str() != "pmid")
            return fail("{}: unknown {} \"{}\" (known tables: pmi, nodes.NAME, pmid)", at.show(),
                        table != nullptr ? "table" : "key", name.str());
        if (table == nullptr) return fail("{}: {} must be a table", at.show(), name.str());
        if (name.str() == "pmi") TRY(read_pmi(*table, file, config));
        if (name.str() == "nodes") TRY(read_nodes(*table, file, config));
        if (name.str() == "pmid") TRY(read_pmid(*table, file, config));
    }
    return {};
}

}  // namespace

Status merge_config(std::string_view text, const std::string& file, Config* config) {
    try {
        toml::table root = toml::parse(text, file);
        return read_all_tables(root, file, config);
    } catch (const toml::parse_error& e) {
        std::string what(e.description());
        std::replace(what.begin(), what.end(), '\n', ' ');
        return fail("{}:{}: {}", file, e.source().begin.line, what);
    }
}

Expected<Config> load_config(const std::vector<std::string>& paths) {
    Config config;
    for (auto& path : paths) {
        auto text = read_file(path);
        if (!text && (text.error().code() == ENOENT || text.error().code() == ENOTDIR)) continue;
        if (!text) return std::move(text.error()).within("configuration");
        TRY(merge_config(*text, path, &config));
    }
    return config;
}

Expected<Config> load_config() {
    std::vector<std::string> paths{"/etc/pmi/pmi.toml"};
    const char* home = std::getenv("HOME");
    if (home != nullptr && *home != '\0') paths.push_back(std::string(home) + "/.config/pmi/pmi.toml");
    return load_config(paths);
}

Expected<uint64_t> parse_size(std::string_view text) {
    uint64_t number = 0;
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
    constexpr std::string_view kSuffixes = "KMGT";
    unsigned shift = 0;
    bool valid = code == std::errc() && suffix.size() <= 1;
    if (valid && !suffix.empty()) {
        size_t index = kSuffixes.find(static_cast<char>(std::toupper(static_cast<unsigned char>(suffix[0]))));
        valid = index != std::string_view::npos;
        shift = static_cast<unsigned>(index + 1) * 10;
    }
    if (!valid || (shift != 0 && number >> (64 - shift) != 0)) return fail("\"{}\" is not a size, such as 512M or 8G", text);
    return number << shift;
}

Expected<double> check_cpu_max(double cpus) {
    if (!(cpus >= 0.01 && cpus <= 100000)) return fail("want a number of CPUs, 0.01 or more, such as 1.5");
    return cpus;
}

Expected<uint32_t> check_cpu_weight(int64_t weight) {
    if (weight < 1 || weight > kMaxCpuWeight) return fail("want a number from 1 to {}; 100 is what others have", kMaxCpuWeight);
    return static_cast<uint32_t>(weight);
}

bool is_node_name(std::string_view name) {
    if (name.empty() || name.size() > 64 || !std::isalnum(static_cast<unsigned char>(name.front()))) return false;
    return std::all_of(name.begin(), name.end(),
                       [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; });
}

}  // namespace pmi

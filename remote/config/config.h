// The configuration: /etc/pmi/pmi.toml, then ~/.config/pmi/pmi.toml, whose values win.
//   [pmi]          node = "HOST[:PORT] or name"   keys = "DIR"   log = "FILE"   reconnect_seconds = 60
//   [nodes.NAME]   address = "HOST[:PORT]"        key = "public key, Z85"
//   [pmid]         listen = "ADDR[:PORT]"   name = "NAME"   max_guests = 64   memory_max = "8G" or bytes
//                  guest_memory_max = "1G"   guest_cpu_max = 1.5 (CPUs)   guest_cpu_weight = 50   guest_pids_max = 500
//                  patching = true   own_files = true
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "remote/jail/guest_limits.h"
#include "remote/transport/address.h"
#include "runtime/base/error.h"

namespace pmi {

struct ConfiguredNode {
    HostPort address;
    std::string key;  // empty: find it among the trusted keys
};

struct Config {
    std::string node, keys, log;      // empty: not set
    uint32_t reconnect_seconds = 60;  // how long a program that is away waits for a cut connection
    std::map<std::string, ConfiguredNode> nodes;
    struct {
        std::string listen, name;
        std::optional<uint32_t> max_guests;
        std::optional<uint64_t> memory_max;  // bytes
        GuestLimits guest;                   // of each
        bool patching = true;                // of system call sites
        bool own_files = true;               // pages of mapped files are looked for in this machine's files
    } pmid;
};

// Both files, where they exist. Errors are one line: file, line, what.
Expected<Config> load_config();
// Files in order, the later one's values win. A file that doesn't exist is as good as an empty one.
Expected<Config> load_config(const std::vector<std::string>& paths);
// One text, on top of `config`; `file` is for messages.
Status merge_config(std::string_view text, const std::string& file, Config* config);

// "512M", "8G" (powers of 1024), "1048576".
Expected<uint64_t> parse_size(std::string_view text);
// What a node may be called: 1 to 64 letters, digits, '.', '-', '_', the first a letter or digit.
bool is_node_name(std::string_view name);
// Limits of a guest, as numbers that a person gave.
Expected<double> check_cpu_max(double cpus);
Expected<uint32_t> check_cpu_weight(int64_t weight);

}  // namespace pmi

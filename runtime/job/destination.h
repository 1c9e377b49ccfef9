// Where "away" is: what a name given to migrate or --node means, and where to go if none was given.
#pragma once
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/control/event_loop.h"

namespace pmi::job {

struct Destination {
    std::string name;  // as it is shown
    std::string host;
    uint16_t port = 0;
    std::string key;  // from the configuration, else empty
};

// HOST[:PORT], or a name from the configuration. "home" is refused.
Expected<Destination> resolve_destination(const std::string& node);
// The configuration's default node, or empty.
Expected<std::string> configured_default_node();
// The configuration's key directory, or empty.
Expected<std::string> configured_keys();
Expected<uint32_t> configured_reconnect_seconds();

// Asks all known nodes how they are (pmictl does, in a process of its own: the supervisor never waits for a
// network) and takes the one with the most idle processors. `done` is called exactly once.
using OnNode = std::function<void(Expected<std::string>)>;
void find_best_node(control::EventLoop& loop, const std::string& keys_directory, bool insecure, OnNode done);
// The choice itself, from `pmictl nodes --json`. A node that the configuration doesn't name (the pmid of this
// very machine, mostly) is taken only if there is no other, and by its address.
Expected<std::string> best_of(const std::string& nodes_json, const std::function<bool(const std::string&)>& is_name);

}  // namespace pmi::job

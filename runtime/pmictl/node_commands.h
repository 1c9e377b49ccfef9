// pmictl nodes [--json] and pmictl ping NODE
#pragma once
#include <string>

namespace pmi {

struct NodeOptions {
    std::string keys;       // --keys; empty: the usual place
    bool insecure = false;  // --insecure
    bool json = false;      // of nodes
    std::string node;       // of ping
};

// Both return the exit status: 0, 1 with one line on stderr, 2 for a NODE that can't be one. A node that
// doesn't answer is listed with the reason, and is no failure of the list.
int run_nodes(const NodeOptions& options);
int run_ping(const NodeOptions& options);

}  // namespace pmi

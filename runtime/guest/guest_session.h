// The guest supervisor: one process a session on the host node. It makes the jail, installs the program in it,
// and serves its notified calls until the program has gone home, elsewhere, or ended.
#pragma once
#include <cstdint>
#include <string>

#include "runtime/base/error.h"

namespace pmi {

struct GuestSessionSetup {
    std::string node_name;
    std::string listen_address;     // where the session's own ports are opened ("0.0.0.0")
    std::string keys_directory;     // resolved
    bool insecure = false;
    int report_fd = -1;             // one wire::Reply (u32 length, bytes) is written here: the Place, or the error
    std::string request;            // the serialized wire::Request with its Host, already checked for compatibility
};

// Runs the session to its end in this (fresh, single-threaded) process; returns the exit status.
int run_guest_session(const GuestSessionSetup& setup);

}  // namespace pmi

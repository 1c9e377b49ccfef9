// The guest supervisor: one process a session on the host node. It makes the jail, installs the program in it,
// and serves its notified calls until the program has gone home, elsewhere, or ended.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

struct GuestSessionSetup {
    std::string node_name;
    std::string listen_address;  // where the session's own ports are opened ("0.0.0.0")
    bool insecure = false;
    int report_fd = -1;                // one wire::Reply (u32 length, bytes) is written here: the Place, or the error
    int pages_fd = -1;                 // where pages of this user are kept (page_store.h), -1: nowhere
    std::vector<std::string> cgroups;  // what its jail is put into (remote/jail/guest_cgroups.h)
    uint64_t memory_max = 0;           // of these groups, 0: no limit
    bool patching = true;              // of system call sites (interpose/patch)
    std::string request;               // the serialized wire::Request with its Host, already checked for compatibility
};

// Runs the session to its end in this (fresh, single-threaded) process; returns the exit status.
int run_guest_session(const GuestSessionSetup& setup);

}  // namespace pmi

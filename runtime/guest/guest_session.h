// The guest supervisor: one process a session on the host node. It makes the jail, installs the program in it,
// and serves its notified calls until the program has gone home, elsewhere, or ended. What needs nothing of the program's home
// is done before anybody is known who comes.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "remote/jail/jail.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

struct GuestSessionSetup {
    std::string node_name;
    std::string listen_address;  // where the session's own ports are opened ("0.0.0.0")
    bool insecure = false;
    int report_fd = -1;                // one wire::Reply (u32 length, bytes) is written here: the Place, or the error
    std::vector<std::string> cgroups;  // what its jail is put into (remote/jail/guest_cgroups.h)
    uint64_t memory_max = 0;           // of these groups, 0: no limit
    bool patching = true;              // of system call sites (interpose/patch)
    bool own_files = true;             // pages of mapped files are looked for in this machine's files (own_files.h)
};

// What a session is to do, for whom.
struct GuestOrder {
    std::string request;  // the serialized wire::Request with its Host, already checked for compatibility
    Fd pages;             // where pages of this user are kept (page_store.h); not valid: nowhere
};

class GuestSession {
  public:
    // In a fresh process with one thread.
    static GuestSession prepare(GuestSessionSetup setup);
    // Runs the session to its end; returns the exit status.
    int run(GuestOrder order);

  private:
    GuestSession(GuestSessionSetup setup, Expected<Jail> jail) : setup_(std::move(setup)), jail_(std::move(jail)) {}
    Status serve(GuestOrder order);

    GuestSessionSetup setup_;
    Expected<Jail> jail_;
};

}  // namespace pmi

// Unix stream sockets by path, also by paths longer than sun_path (108 bytes): those go through an O_PATH
// descriptor of the directory and /proc/self/fd. Linked into the launcher: nothing heavy.
#pragma once
#include <sys/types.h>

#include <string>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi::control {

// Bound, mode 0600, not yet listening (SO_PEERCRED names who calls listen). A stale socket in the way is
// replaced.
Expected<Fd> bind_unix(const std::string& path);
// Connected; ECONNREFUSED in the error's code means that nobody listens any more. Blocking, close-on-exec.
Expected<Fd> connect_unix(const std::string& path);

struct PeerIdentity {
    pid_t pid = 0;
    uid_t uid = 0;
};
Expected<PeerIdentity> peer_of(int fd);

}  // namespace pmi::control

// The supervisor's first stage. Most programs are never asked to move: until somebody says something on the
// control socket, the job's supervisor is this small process, a detached grandchild of the launcher that only
// sleeps in poll(2). At the first request (or at once, for --away and --trap-signals) it execs
// pmi-supervisor, which takes over the listening socket, PROGRAM's pidfd and the connections, under the same
// PID.
#pragma once
#include <sys/types.h>

#include <string>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/pmirun/control_socket.h"
#include "runtime/pmirun/options.h"

namespace pmi::launch {

// The launcher's hold on the supervisor. Closed by PROGRAM's exec, which the supervisor takes for "it runs".
struct Supervisor {
    Fd lifeline;
    pid_t pid = 0;
    // PROGRAM could not be run: the supervisor ends.
    void dismiss();
};

// Starts it; it listens when this returns. This process has no new child afterwards, and no other trace of
// it. `argv` and `envp` are the launcher's own, for the supervisor to write over.
Expected<Supervisor> start_supervisor(const Options& options, ControlSocket& socket, char** argv, char** envp);

}  // namespace pmi::launch

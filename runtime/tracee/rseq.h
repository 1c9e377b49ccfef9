// Restartable sequences (rseq(2), Documentation/userspace-api/rseq.rst). A thread that is interrupted in one is to begin it anew
// when it runs again: the kernel sees to that when the thread goes on from there. One that runs injected code first, or goes on in
// another task, would go on in the middle.
#pragma once
#include <sys/types.h>

#include "runtime/base/error.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {

// Of a thread that was just stopped, before anything else is done to it: it goes on where the sequence that it is in says.
Status leave_rseq_section(pid_t tid);

}  // namespace pmi

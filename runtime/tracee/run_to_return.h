// Lets a stopped thread go on until the function that it is in has returned: a step over each of its instructions takes some 20
// us, and a vDSO's function that reads a clock has some 50 of them.
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "runtime/base/error.h"
#include "runtime/tracee/injected_run.h"

namespace pmi {

// The function is in [start, end), which is executable. Its return address is exchanged for that of a breakpoint instruction among
// that code's bytes while it runs (there are some between functions); registers and memory are then as if it had returned. The
// thread has blocked the signals that it can, as for injected code. False: it can't be done so, and nothing was (no such byte, a
// function that can't be seen through, shadow stacks). Error: as of step().
Expected<bool> run_to_return(pid_t tid, uint64_t start, uint64_t end, InjectedRun& run, StopWaiter& waiter);

}  // namespace pmi

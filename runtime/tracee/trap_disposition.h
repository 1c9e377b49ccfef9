// A program may ignore SIGTRAP. The trap by which injected code tells that it is done is forced on its thread, and for a signal
// that is ignored the kernel then resets the disposition to the default (force_sig_info_to_task in kernel/signal.c). So whoever
// makes a thread trap asks before, and has the signal ignored again afterwards: by calls that stop at their return (ptrace(2),
// syscall-stops) instead of trapping.
#pragma once
#include "runtime/tracee/injector.h"

namespace pmi {

bool ignores_trap(pid_t tid);
// The rest of the disposition (flags, mask) stays as it is. `instruction`: any `syscall` in the thread's memory; `place`: room
// for kTrapActionSize bytes there, which are put back, as are its registers. The thread is in an interruption's stop then.
constexpr uint64_t kTrapActionSize = 32;
Status ignore_trap(pid_t tid, uint64_t instruction, uint64_t place, const RemoteMemory& memory, StopWaiter& waiter);
// Room for that: below the red zone of a stack nobody keeps anything.
uint64_t below_stack(const Registers& registers);

}  // namespace pmi

// Signals that are pending for a stopped thread, and blocked there: taken out of its queues, and queued again with the siginfo that
// they had. The thread does both itself, by injected calls: to itself a task may send any siginfo (rt_sigqueueinfo(2)).
#pragma once
#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/tracee/injector.h"

namespace pmi {

struct AgentPlace;

constexpr int kFirstRealTime = 32;  // as the kernel counts

// At most `count` of those in `set`, as the kernel delivers them: the thread's own before the process's, lower numbers first.
Expected<std::vector<siginfo_t>> take_pending_signals(pid_t pid, pid_t tid, uint64_t set, size_t count, AgentPlace agent,
                                                      StopWaiter& waiter);
// All in `set` of the thread's own. Nothing was taken, and nothing is given, where its queue is too long to look through: the
// kernel walks it from its start for each signal that it shows.
Expected<std::optional<std::vector<siginfo_t>>> take_own_signals(pid_t pid, pid_t tid, uint64_t set, AgentPlace agent,
                                                                 StopWaiter& waiter);
// How many the kernel did not take, since there may be no more (RLIMIT_SIGPENDING).
enum class QueuedFor { Thread, Process };
Expected<size_t> queue_signals(pid_t pid, pid_t tid, QueuedFor whom, std::span<const siginfo_t> infos, AgentPlace agent,
                               StopWaiter& waiter);

}  // namespace pmi

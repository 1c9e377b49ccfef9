#include "kernel-assist/userspace/pending_signals.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {
namespace {

constexpr size_t kAtOnce = 400;  // a batch's space

}  // namespace

Expected<std::vector<siginfo_t>> take_pending_signals(pid_t pid, pid_t tid, uint64_t set, size_t count, AgentPlace agent,
                                                      StopWaiter& waiter) {
    std::vector<siginfo_t> taken;
    while (taken.size() < count) {
        Batch batch(pid, tid, agent, waiter);
        const timespec now{};
        uint64_t wanted = batch.data(&set, sizeof set), no_time = batch.data(&now, sizeof now);
        std::vector<std::pair<size_t, uint64_t>> calls;
        for (size_t n = std::min(kAtOnce, count - taken.size()); n > 0; n--) {
            uint64_t at = batch.space(sizeof(siginfo_t));
            calls.emplace_back(batch.call(SYS_rt_sigtimedwait, wanted, at, no_time, sizeof set), at);
        }
        TRY(batch.run());
        for (const auto& [call, at] : calls) {
            if (batch.result(call) <= 0) return taken;
            siginfo_t info{};
            std::memcpy(&info, batch.bytes(at, sizeof info).data(), sizeof info);
            taken.push_back(info);
        }
    }
    return taken;
}

Expected<std::optional<std::vector<siginfo_t>>> take_own_signals(pid_t pid, pid_t tid, uint64_t set, AgentPlace agent,
                                                                 StopWaiter& waiter) {
    constexpr size_t kMost = 1000;
    TRY_ASSIGN(auto own, peek_pending(tid, Pending::Thread, kMost));
    if (own.size() == kMost) return std::optional<std::vector<siginfo_t>>();
    auto count = std::count_if(own.begin(), own.end(), [&](const siginfo_t& i) { return (set >> (i.si_signo - 1) & 1) != 0; });
    TRY_ASSIGN(auto taken, take_pending_signals(pid, tid, set, static_cast<size_t>(count), agent, waiter));
    return std::optional(std::move(taken));
}

Expected<size_t> queue_signals(pid_t pid, pid_t tid, QueuedFor whom, std::span<const siginfo_t> infos, AgentPlace agent,
                               StopWaiter& waiter) {
    size_t refused = 0;
    while (!infos.empty()) {
        auto some = infos.first(std::min(kAtOnce, infos.size()));
        infos = infos.subspan(some.size());
        Batch batch(pid, tid, agent, waiter);
        std::vector<size_t> calls;
        for (const siginfo_t& info : some) {
            uint64_t at = batch.data(&info, sizeof info);
            auto signal = static_cast<uint64_t>(info.si_signo);
            calls.push_back(whom == QueuedFor::Process ? batch.call(SYS_rt_sigqueueinfo, static_cast<uint64_t>(pid), signal, at)
                                                       : batch.call(SYS_rt_tgsigqueueinfo, static_cast<uint64_t>(pid),
                                                                    static_cast<uint64_t>(tid), signal, at));
        }
        TRY(batch.run());
        refused +=
            static_cast<size_t>(std::count_if(calls.begin(), calls.end(), [&](size_t call) { return batch.result(call) < 0; }));
    }
    return refused;
}

}  // namespace pmi

// Install: the image's state, put into a process by its own threads.
#include <linux/membarrier.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <cstring>
#include <vector>

#include "kernel-assist/userspace/pending_signals.h"
#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/guard_pages.h"

namespace pmi {
namespace {

constexpr size_t kSigactionSize = 32;
constexpr int kSignals = 64;
constexpr uint64_t kRseqUnregister = 1;  // RSEQ_FLAG_UNREGISTER

// A stack may not be changed from a thread that runs on it; the agent runs on none, and the kernel goes by the
// stack pointer alone, so SS_ONSTACK must not be passed back.
std::string settable_stack(const std::string& stack) {
    stack_t s{};
    if (stack.size() == sizeof s) std::memcpy(&s, stack.data(), sizeof s);
    s.ss_flags &= ~SS_ONSTACK;
    return std::string(reinterpret_cast<const char*>(&s), sizeof s);
}

void tell_kernel(Batch& batch, const wire::Image& image) {
    for (uint32_t bit = 1; bit != 0; bit <<= 1)
        if (image.membarrier() & bit) batch.call(SYS_membarrier, bit, 0, 0);
    batch.call(SYS_prctl, PR_SET_THP_DISABLE, image.thp_disable() ? 1 : 0, 0, 0, 0);
}

// ITIMER_VIRTUAL and ITIMER_PROF go on with what was left of them.
Status set_cpu_timers(Batch& batch, const wire::Image& image) {
    for (int i = 0; i < image.cpu_timers_size() && i < 2; i++) {
        if (image.cpu_timers(i).size() != sizeof(itimerval)) return fail("an image with a timer of an unknown form");
        itimerval timer{};
        std::memcpy(&timer, image.cpu_timers(i).data(), sizeof timer);
        // What is left of less than a microsecond reads as 0, with which it would be off.
        bool goes_on = timer.it_interval.tv_sec != 0 || timer.it_interval.tv_usec != 0;
        if (goes_on && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0) timer.it_value.tv_usec = 1;
        uint64_t at = batch.data(&timer, sizeof timer);
        batch.call(SYS_setitimer, i == 0 ? ITIMER_VIRTUAL : ITIMER_PROF, at, 0);
    }
    return {};
}

// The kernel makes no guard pages in locked memory (is_valid_guard_vma in mm/madvise.c), but memory with guard pages may be locked.
class Guards {
  public:
    Guards(Batch& batch, const wire::Image& image) : batch_(batch), image_(image) {}
    void install(bool memory_is_locked) {
        auto region = image_.regions().begin();
        for (const auto& g : image_.guards()) {
            while (region != image_.regions().end() && region->end() <= g.start()) ++region;
            bool locked = memory_is_locked && region != image_.regions().end() && has_vm_flag(region->vm_flags(), "lo");
            if (locked) batch_.call(SYS_munlock, g.start(), g.end() - g.start());
            made_.push_back(advise(g, kGuardInstall));
            if (locked) batch_.call(SYS_mlock, g.start(), g.end() - g.start());
        }
    }
    void remove() {
        for (const auto& g : image_.guards()) made_.push_back(advise(g, kGuardRemove));
    }
    Status check() const {
        for (size_t call : made_) TRY(batch_.check(call, "change guard pages"));
        return {};
    }

  private:
    size_t advise(const wire::PageRange& g, int advice) {
        return batch_.call(SYS_madvise, g.start(), g.end() - g.start(), static_cast<uint64_t>(advice));
    }
    Batch& batch_;
    const wire::Image& image_;
    std::vector<size_t> made_;
};

uint64_t mm_map(Batch& batch, const wire::Layout& l) {
    uint64_t auxv = batch.data(l.auxv().data(), l.auxv().size());
    prctl_mm_map map{};
    map.start_code = l.start_code();
    map.end_code = l.end_code();
    map.start_data = l.start_data();
    map.end_data = l.end_data();
    map.start_brk = l.start_brk();
    map.brk = l.brk();
    map.start_stack = l.start_stack();
    map.arg_start = l.arg_start();
    map.arg_end = l.arg_end();
    map.env_start = l.env_start();
    map.env_end = l.env_end();
    map.auxv = reinterpret_cast<__u64*>(auxv);  // NOLINT: an address over there
    map.auxv_size = static_cast<uint32_t>(l.auxv().size());
    map.exe_fd = static_cast<uint32_t>(-1);
    return batch.data(&map, sizeof map);
}

}  // namespace

Status UserspaceAssist::install_process(pid_t leader, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) {
    Batch batch(leader, leader, agent, waiter);
    if (image.sigactions().size() != kSigactionSize * kSignals)
        return fail("an image with {} bytes of dispositions", image.sigactions().size());
    if (image.layout().auxv().size() > 4096) return fail("an image with {} bytes of auxv", image.layout().auxv().size());
    uint64_t actions = batch.data(image.sigactions().data(), image.sigactions().size());
    for (int s = 1; s <= kSignals; s++) {
        if (s == SIGKILL || s == SIGSTOP) continue;
        batch.call(SYS_rt_sigaction, static_cast<uint64_t>(s), actions + static_cast<uint64_t>(s - 1) * kSigactionSize, 0, 8);
    }
    size_t layout = batch.call(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, mm_map(batch, image.layout()), sizeof(prctl_mm_map), 0);
    batch.call(SYS_personality, image.personality());
    tell_kernel(batch, image);
    Guards guards(batch, image);
    guards.install(false);
    TRY(set_cpu_timers(batch, image));
    TRY(batch.run());
    TRY(guards.check());
    return batch.check(layout, "set the memory layout");
}

Status UserspaceAssist::settle_process(pid_t tid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) {
    Batch batch(tid, tid, agent, waiter);
    tell_kernel(batch, image);
    Guards guards(batch, image);
    guards.install(true);
    TRY(set_cpu_timers(batch, image));
    TRY(batch.run());
    return guards.check();
}

Status UserspaceAssist::strip_process(pid_t tid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) {
    Batch batch(tid, tid, agent, waiter);
    itimerval none{};
    uint64_t at = batch.data(&none, sizeof none);
    batch.call(SYS_setitimer, ITIMER_VIRTUAL, at, 0);
    batch.call(SYS_setitimer, ITIMER_PROF, at, 0);
    Guards guards(batch, image);
    guards.remove();
    TRY(batch.run());
    return guards.check();
}

namespace {

std::vector<pid_t> tids_of(const std::vector<ThreadState>& threads) {
    std::vector<pid_t> tids;
    tids.reserve(threads.size());
    for (const auto& t : threads) tids.push_back(t.tid);
    return tids;
}

// Of a batch; SIZE_MAX: the thread has none.
size_t call_rseq(Batch& batch, const wire::Thread& t, uint64_t flags) {
    if (t.rseq_address() == 0) return SIZE_MAX;
    return batch.call(SYS_rseq, t.rseq_address(), t.rseq_size(), flags, t.rseq_signature());
}

}  // namespace

Status UserspaceAssist::install_threads(const std::vector<ThreadState>& threads, AgentPlace agent, StopWaiter& waiter) {
    struct Calls {
        size_t stack, rseq;
    };
    std::vector<Calls> calls(threads.size());
    auto fill = [&](size_t i, Batch& batch) {
        const wire::Thread& t = *threads[i].state;
        std::string stack = settable_stack(t.alternate_stack());
        calls[i].stack = batch.call(SYS_sigaltstack, batch.data(stack.data(), stack.size()), 0);
        batch.call(SYS_set_tid_address, t.clear_child_tid());
        if (t.robust_list() != 0) batch.call(SYS_set_robust_list, t.robust_list(), t.robust_list_size());
        calls[i].rseq = call_rseq(batch, t, 0);
    };
    TRY(run_batches(tids_of(threads), agent, waiter, fill, [&](size_t i, const Batch& batch) -> Status {
        TRY(batch.check(calls[i].stack, "set the alternate stack"));
        return calls[i].rseq != SIZE_MAX ? batch.check(calls[i].rseq, "register rseq") : Status();
    }));
    for (const auto& [tid, t] : threads)
        if (!t->xstate().empty()) TRY(set_xstate(tid, t->xstate()));
    return {};
}

Status UserspaceAssist::strip_threads(const std::vector<ThreadState>& threads, AgentPlace agent, StopWaiter& waiter) {
    std::vector<size_t> rseq(threads.size());
    auto fill = [&](size_t i, Batch& batch) {
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        batch.call(SYS_sigaltstack, batch.data(&none, sizeof none), 0);
        batch.call(SYS_set_tid_address, 0);
        batch.call(SYS_set_robust_list, 0, 24);
        rseq[i] = call_rseq(batch, *threads[i].state, kRseqUnregister);
    };
    return run_batches(tids_of(threads), agent, waiter, fill, [&](size_t i, const Batch& batch) {
        return rseq[i] != SIZE_MAX ? batch.check(rseq[i], "unregister rseq") : Status();
    });
}

Status UserspaceAssist::release_thread(pid_t tid, const wire::Thread& t, const RemoteMemory& memory, int64_t home_monotonic_ns,
                                       GoesOn where) {
    Registers r{};
    if (t.registers().size() != sizeof r) return fail("an image with registers of {} bytes", t.registers().size());
    std::memcpy(&r, t.registers().data(), sizeof r);
    if (t.timeout_kind() > static_cast<uint32_t>(Timeout::TimespecRelative) || t.timeout_arg() > 5)
        return fail("an image with a timeout of an unknown form");
    PendingTimeout timeout{static_cast<Timeout>(t.timeout_kind()), static_cast<uint8_t>(t.timeout_arg()), t.deadline_ns()};
    TRY(write_timeout(r, timeout, home_monotonic_ns, memory, where == GoesOn::AtHome ? tid : 0));
    TRY(set_registers(tid, r));
    return set_signal_mask(tid, t.signal_mask());
}

namespace {

// Real-time signals of these numbers that are pending for the thread itself: they came later than what was pending in the other
// half, and are to come after it. A queue that is too long to look through stays as it is.
Status take_later_ones(pid_t pid, pid_t tid, std::vector<siginfo_t>& infos, AgentPlace agent, StopWaiter& waiter) {
    uint64_t numbers = 0;
    for (const siginfo_t& info : infos)
        if (info.si_signo >= kFirstRealTime) numbers |= uint64_t{1} << (info.si_signo - 1);
    TRY_ASSIGN(ProcStatus status, read_status(pid, tid));
    if ((status.sig_pending & numbers) == 0) return {};
    TRY_ASSIGN(auto later, take_own_signals(pid, tid, numbers, agent, waiter));
    if (later) infos.insert(infos.end(), later->begin(), later->end());
    return {};
}

}  // namespace

// What there may be no more of was over the limit before, too.
Status UserspaceAssist::requeue_signals(pid_t pid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) {
    auto queue_all = [&](pid_t by, QueuedFor whom, const auto& pending) -> Status {
        std::vector<siginfo_t> infos;
        for (const auto& bytes : pending) {
            if (bytes.size() != sizeof(siginfo_t)) continue;
            std::memcpy(&infos.emplace_back(), bytes.data(), sizeof(siginfo_t));
        }
        if (whom == QueuedFor::Thread) TRY(take_later_ones(pid, by, infos, agent, waiter));
        auto queued = queue_signals(pid, by, whom, infos, agent, waiter);
        return queued ? Status() : std::move(queued.error());
    };
    pid_t speaker = 0;
    for (const auto& t : image.threads()) {
        if (t.ended()) continue;
        if (speaker == 0) speaker = t.tid();
        TRY(queue_all(t.tid(), QueuedFor::Thread, t.pending()));
    }
    return queue_all(speaker, QueuedFor::Process, image.pending());
}

}  // namespace pmi

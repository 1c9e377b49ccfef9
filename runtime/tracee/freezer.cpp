#include "runtime/tracee/freezer.h"

#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "runtime/base/log.h"
#include "runtime/kernel/mapping_query.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/foothold.h"
#include "runtime/tracee/partial_transfer.h"
#include "runtime/tracee/rseq.h"
#include "runtime/tracee/run_to_return.h"
#include "runtime/tracee/sleep_clock.h"
#include "runtime/tracee/trap_disposition.h"

namespace pmi {
namespace {

// A signal that will run a handler the moment the thread goes on makes a bare -EINTR the program's own.
bool handler_is_due(pid_t pid, pid_t tid) {
    auto s = read_status(pid, tid);
    return s && ((s->sig_pending | s->shared_pending) & ~s->sig_blocked & s->sig_caught) != 0;
}

// Whether it matters if one is due: a call that will be made again anyhow, or none, is the same with a handler before it. (To ask
// takes as long as all else that is done to a thread to stop it.)
bool may_end_call(const Registers& r) { return static_cast<int64_t>(r.orig_rax) >= 0 && !is_restart(static_cast<int64_t>(r.rax)); }

// A call that stopped half-way is to be made again for the rest, unless a handler is about to run: then what it has
// transferred is its result. `t` has the registers as the stop left them; `held` what was known of its call before.
void take_unfinished(pid_t pid, bool handled, const HeldThread* held, FrozenThread& t) {
    auto result = static_cast<int64_t>(t.registers.rax);
    CallArguments call = arguments_of(t.registers);
    if (held != nullptr) {
        if (held->transferred != 0 && handled) t.registers.rax = held->transferred;
        if (handled) return;
        t.transferred = held->transferred;
        t.deadline = held->deadline;
        return;
    }
    if (handled || call.nr < 0) return;
    bool goes = goes_on(t.tid, call, result, RemoteMemory(pid));
    if (goes || result == -EINTR) t.deadline = deadline_of_call(t.tid, call, t.began_ns, t.began_ns);
    if (!goes) return;
    t.transferred = t.registers.rax;
    t.registers.rax = static_cast<uint64_t>(kErestartNoIntr);
}

// One attempt at a freeze: what has been attached so far, so that it can be let go.
class Attempt {
  public:
    Attempt(pid_t pid, RestartBlock block, StopWaiter& waiter, int64_t deadline_ns, const std::vector<RestartedCall>& restarted,
            const FreezeLeft& left)
        : pid_(pid), block_(block), waiter_(waiter), deadline_ns_(deadline_ns), restarted_(restarted) {
        for (const auto& t : left.held) {
            held_[t.tid] = t;
            attached_.insert(t.tid);
            stopped_.insert(t.tid);
        }
        for (const auto& t : left.late) {
            attached_.insert(t.tid);
            began_[t.tid] = t.began_ns;
        }
    }

    Status attach_new_threads(bool* found) {
        *found = false;
        TRY_ASSIGN(auto tids, list_threads(pid_));
        for (pid_t tid : tids) {
            if (attached_.contains(tid) || ended_.contains(tid)) continue;
            if (monotonic_ns() > deadline_ns_) return fail_code(ETIMEDOUT, "it makes threads faster than they can be stopped");
            *found = true;
            TRY(attach(tid));
        }
        return {};
    }

    Status stop_all() {
        for (pid_t tid : attached_)
            if (!stopped_.contains(tid)) TRY(stop(tid));
        return {};
    }

    // Puts everything back, as far as that can be done from here.
    FreezeLeft undo() {
        FreezeLeft left;
        for (pid_t tid : attached_)
            if (stopped_.contains(tid)) let_go(tid, left);
        for (pid_t tid : attached_)
            if (!stopped_.contains(tid)) let_go_late(tid, left);
        return left;
    }

    const std::set<pid_t>& attached() const { return attached_; }
    bool is_job_stopped() const { return job_stopped_; }
    bool is_ended_leader(pid_t tid) const { return tid == pid_ && leader_ended_; }
    const HeldThread* held(pid_t tid) const {
        auto it = held_.find(tid);
        return it == held_.end() ? nullptr : &it->second;
    }
    int64_t began(pid_t tid) const {
        auto it = began_.find(tid);
        return it == began_.end() ? monotonic_ns() : it->second;
    }
    // What goes on as restart_syscall gets its own name again: it may have to go on in another task.
    Status name_restarted(FrozenThread& t) const {
        Registers& r = t.registers;
        if (static_cast<int64_t>(r.orig_rax) != SYS_restart_syscall || static_cast<int64_t>(r.rax) != kErestartBlock) return {};
        for (const auto& known : restarted_) {
            if (known.tid != t.tid || !known.is(r)) continue;
            r.orig_rax = static_cast<uint64_t>(known.call.nr);
            t.began_ns = known.began_ns;
            return {};
        }
        auto asleep = waits_in_.find(t.tid);
        auto nr = asleep != waits_in_.end() ? std::optional(asleep->second) : restarted_call_by_code(r, RemoteMemory(t.tid));
        if (!nr) return fail_code(EAGAIN, "thread {} goes on with a call that nothing tells of", t.tid);
        r.orig_rax = static_cast<uint64_t>(*nr);
        return {};
    }

  private:
    Status attach(pid_t tid) {
        // Before the stop: being stopped makes the thread run.
        int64_t nr = -1;
        auto since = asleep_since(pid_, tid, block_, &nr);
        began_[tid] = since.value_or(monotonic_ns());
        auto restarted = nr == SYS_restart_syscall ? restarted_call(pid_, tid) : std::nullopt;
        if (restarted) waits_in_[tid] = *restarted;
        auto seized = seize(tid, 0);
        if (!seized) {
            if (seized.error().code() == ESRCH) return {};  // it ended just now
            auto status = read_status(pid_, tid);
            if (!status || status->state != 'Z') return std::move(seized.error());
            // A thread on its way out, or the main thread, which has ended before the others.
            ended_.insert(tid);
            leader_ended_ |= tid == pid_;
            return {};
        }
        attached_.insert(tid);
        return interrupt(tid);
    }

    Status stop(pid_t tid) {
        for (;;) {
            int left_ms = static_cast<int>(std::max<int64_t>(1, (deadline_ns_ - monotonic_ns()) / 1'000'000));
            TRY_ASSIGN(int status, waiter_.wait(tid, left_ms));
            Stop s = classify(status);
            switch (s.kind) {
                case Stop::Kind::Exited: attached_.erase(tid); return list_changed();
                case Stop::Kind::Group:
                case Stop::Kind::Interrupt:
                    if (s.kind == Stop::Kind::Group) job_stopped_ = true;
                    if (trap_is_due(tid)) {
                        TRY(resume(tid));
                        break;
                    }
                    stopped_.insert(tid);
                    return {};
                default:
                    // A signal on its way: let it be delivered. Any stop takes a pending INTERRUPT away.
                    TRY(interrupt(tid));
                    TRY(resume(tid, s.kind == Stop::Kind::Signal ? s.signal : 0));
            }
        }
    }
    Status list_changed() { return fail_code(EAGAIN, "a thread ended meanwhile"); }

    void let_go(pid_t tid, FreezeLeft& left) {
        if (const HeldThread* h = held(tid)) {
            left.held.push_back(*h);
        } else if (auto unfinished = mend_call(pid_, tid, began(tid))) {
            left.held.push_back(*unfinished);
        } else {
            (void)detach(tid);
        }
    }

    // It stops for our INTERRUPT when it can, and can only be detached then.
    void let_go_late(pid_t tid, FreezeLeft& left) {
        constexpr int kMomentMs = 20;
        auto status = waiter_.wait(tid, kMomentMs);
        if (!status) {
            left.late.push_back({tid, began(tid)});
            return;
        }
        Stop s = classify(*status);
        if (s.kind == Stop::Kind::Exited) return;
        if (s.kind == Stop::Kind::Signal)
            (void)detach(tid, s.signal);
        else
            let_go(tid, left);
    }

    pid_t pid_;
    RestartBlock block_;
    StopWaiter& waiter_;
    int64_t deadline_ns_;
    std::set<pid_t> attached_, stopped_, ended_;
    std::map<pid_t, HeldThread> held_;
    std::map<pid_t, int64_t> began_;
    const std::vector<RestartedCall>& restarted_;
    std::map<pid_t, int64_t> waits_in_;  // of those in restart_syscall: the call's own number
    bool leader_ended_ = false;
    bool job_stopped_ = false;
};

Expected<FrozenThread> take(pid_t pid, pid_t tid, const Attempt& attempt, RestartBlock block, VdsoRange vdso, StopWaiter& waiter) {
    FrozenThread t;
    t.tid = tid;
    if (attempt.is_ended_leader(tid)) {
        t.ended = true;
        return t;
    }
    if (dispatches_own_calls(tid)) return fail("cantmove: it takes its own system calls (PR_SET_SYSCALL_USER_DISPATCH)");
    TRY_ASSIGN(t.signal_mask, get_signal_mask(tid));
    TRY(leave_rseq_section(tid));
    TRY_ASSIGN(Registers at_stop, get_registers(tid));
    bool handled = (attempt.held(tid) != nullptr || may_end_call(at_stop)) && handler_is_due(pid, tid);
    // From here on the program is not whole without us: rather than go on with all signals blocked it would die.
    TRY(set_options(tid, PTRACE_O_EXITKILL));
    TRY(set_signal_mask(tid, kInjectionMask));
    auto taken = [&]() -> Status {
        TRY(step_out_of_vdso(tid, vdso, waiter));
        TRY_ASSIGN(t.registers, get_registers(tid));
        t.began_ns = attempt.began(tid);
        TRY(attempt.name_restarted(t));
        take_unfinished(pid, handled, attempt.held(tid), t);
        t.has_restart_block = static_cast<int64_t>(t.registers.rax) == kErestartBlock;
        TRY_ASSIGN(t.timeout, settle(t.registers, t.began_ns, block, handled, RemoteMemory(tid)));
        return {};
    }();
    if (taken) return t;
    (void)set_signal_mask(tid, t.signal_mask);
    return std::move(taken.error());
}

}  // namespace

Expected<VdsoRange> find_vdso(pid_t pid) {
    TRY_ASSIGN(auto vdso, find_vdso_mapping(pid));
    return vdso ? VdsoRange{vdso->start, vdso->end} : VdsoRange{};
}

std::optional<HeldThread> mend_call(pid_t pid, pid_t tid, int64_t began_ns) {
    auto regs = get_registers(tid);
    if (!regs) return std::nullopt;
    RemoteMemory memory(tid);
    FrozenThread t;
    t.tid = tid;
    t.registers = *regs;
    t.began_ns = began_ns;
    bool handled = handler_is_due(pid, tid);
    take_unfinished(pid, handled, nullptr, t);
    auto timeout = settle(t.registers, t.began_ns, RestartBlock::Stays, handled, memory);
    bool changed = timeout && t.registers.rax != regs->rax;
    // A restart block of its own is still there.
    if (changed && static_cast<int64_t>(regs->rax) != kErestartBlock &&
        write_timeout(t.registers, *timeout, monotonic_ns(), memory, tid))
        (void)set_registers(tid, t.registers);
    if (t.transferred == 0 && !t.deadline) return std::nullopt;
    return HeldThread{tid, t.transferred, t.deadline};
}

Status step_out_of_vdso(pid_t tid, VdsoRange vdso, StopWaiter& waiter) {
    constexpr int kMaxSteps = 1000;     // some 64 bytes of random numbers; reading a clock takes far fewer
    std::optional<bool> keeps_ignored;  // asked before the first step
    InjectedRun run(tid);
    for (int i = 0; i < kMaxSteps; i++) {
        TRY_ASSIGN(Registers r, get_registers(tid));
        if (r.rip < vdso.start || r.rip >= vdso.end) {
            TRY(run.end(waiter));
            if (!keeps_ignored.value_or(false)) return {};
            RemoteMemory memory(tid);
            TRY_ASSIGN(Foothold foothold, find_foothold(tid));
            return ignore_trap(tid, foothold.syscall, below_stack(r), memory, waiter);
        }
        if (!keeps_ignored) keeps_ignored = ignores_trap(tid);
        TRY_ASSIGN(bool has_returned, run_to_return(tid, vdso.start, vdso.end, run, waiter));
        if (!has_returned) TRY(step(tid, run, waiter));
    }
    // It makes many random numbers: stopped another time, it may be at the last of them, or outside.
    return fail_code(EAGAIN, "thread {} does not leave the vDSO", tid);
}

Expected<Frozen> freeze(pid_t pid, RestartBlock block, StopWaiter& waiter, int timeout_ms,
                        const std::vector<RestartedCall>& restarted, FreezeLeft& left) {
    int64_t deadline = monotonic_ns() + int64_t{timeout_ms} * 1'000'000;
    TRY_ASSIGN(VdsoRange vdso, find_vdso(thread_with_memory(pid)));
    for (;;) {
        Attempt attempt(pid, block, waiter, deadline, restarted, left);
        Status status;
        bool found = true;
        while (found && status) {
            status = attempt.attach_new_threads(&found);
            if (status) status = attempt.stop_all();
        }
        Frozen frozen{pid, {}};
        if (status) {
            auto tids = list_threads(pid);
            if (!tids) status = std::move(tids.error());
            for (size_t i = 0; status && i < tids->size(); i++) {
                pid_t tid = (*tids)[i];
                if (!attempt.attached().contains(tid) && !attempt.is_ended_leader(tid)) continue;
                auto thread = take(pid, tid, attempt, block, vdso, waiter);
                if (thread)
                    frozen.threads.push_back(*thread);
                else
                    status = std::move(thread.error());
            }
        }
        frozen.job_stopped = attempt.is_job_stopped();
        if (status) {
            left = {};
            return frozen;
        }
        for (const auto& t : frozen.threads)
            if (!t.ended) (void)set_signal_mask(t.tid, t.signal_mask);
        left = attempt.undo();
        if (status.error().code() != EAGAIN || monotonic_ns() > deadline)
            return std::move(status.error()).within(fmt::format("stop process {}", pid));
    }
}

Expected<std::optional<RestartedCall>> put_back(const FrozenThread& t) {
    Registers r = t.registers;
    std::optional<RestartedCall> restarted;
    // The kernel knows better than we when its call is to end.
    if (t.has_restart_block) {
        r.rax = static_cast<uint64_t>(kErestartBlock);
        restarted = RestartedCall{t.tid, r.rip, arguments_of(r), t.began_ns};
    } else {
        TRY(write_timeout(r, t.timeout, monotonic_ns(), RemoteMemory(t.tid), t.tid));
    }
    TRY(set_registers(t.tid, r));
    TRY(set_signal_mask(t.tid, t.signal_mask));
    return restarted;
}

}  // namespace pmi

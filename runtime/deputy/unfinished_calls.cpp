#include "runtime/deputy/unfinished_calls.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>

#include <algorithm>

#include "runtime/base/log.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/partial_transfer.h"

namespace pmi {
namespace {

constexpr int kHoldTimeoutMs = 2000;

bool is_call_stop(const Stop& stop) { return stop.kind == Stop::Kind::Signal && stop.signal == (SIGTRAP | 0x80); }
bool is_interrupted(int64_t result) { return is_restart(result) || result == -EINTR; }

int64_t sum(uint64_t transferred, int64_t result) {
    return transferred == 0 ? result : static_cast<int64_t>(transferred) + std::max<int64_t>(0, result);
}

// A traced thread is woken even for signals that are ignored; natively these end no call.
bool ends_a_call(const ProcStatus& status, uint64_t signals) {
    constexpr auto bit = [](int signal) { return uint64_t{1} << (signal - 1); };
    constexpr uint64_t kIgnoredByDefault = bit(SIGCHLD) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGCONT);
    uint64_t ignored = status.sig_ignored | (kIgnoredByDefault & ~status.sig_caught);
    return (signals & ~ignored) != 0;
}
bool is_ended_by_signal(HomePid pid, pid_t tid) {
    auto status = read_status(pid.value, tid);
    return status && ends_a_call(*status, (status->sig_pending | status->shared_pending) & ~status->sig_blocked);
}
bool is_ended_by(HomePid pid, pid_t tid, int signal) {
    auto status = read_status(pid.value, tid);
    return !status || ends_a_call(*status, uint64_t{1} << (signal - 1));
}

}  // namespace

Status UnfinishedCalls::go_on(HomePid pid, const HeldThread& thread) {
    pid_t tid = thread.tid;
    TRY_ASSIGN(Registers original, get_registers(tid));
    Unfinished call{pid, thread.transferred, thread.deadline, original, false, false};
    TRY(set_options(tid, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    TRY(issue(tid, call));
    if (is_unfinished(call.transferred, call.deadline)) calls_[tid] = call;
    return {};
}

// Its call, for what is left of it.
Status UnfinishedCalls::issue(pid_t tid, Unfinished& call) {
    CallArguments rest = arguments_of(call.original);
    // Below the red zone nobody keeps anything; the kernel reads it before the thread goes on.
    uint64_t place = (call.original.rsp - 256 - kRestSize) & ~uint64_t{15};
    auto skipped = call.transferred == 0 ? Status() : skip_transferred(rest, call.transferred, place, RemoteMemory(tid));
    if (!skipped) {
        spdlog::warn("thread {}: the rest of its call {}: {}", tid, rest.nr, skipped.error().message());
        auto result = static_cast<int64_t>(std::exchange(call.transferred, 0));
        call.deadline.reset();
        return let_go(tid, call, result, 0);
    }
    Registers r = call.original;
    set_arguments(r, rest);
    r.rip -= 2;
    r.rax = call.original.orig_rax;
    r.orig_rax = static_cast<uint64_t>(-1);
    TRY(set_registers(tid, r));
    call.in_call = call.time_is_up = false;
    return resume_to_call(tid);
}

bool UnfinishedCalls::has(HomePid pid) const {
    auto is_of_it = [&](const auto& entry) { return entry.second.pid == pid; };
    return std::any_of(calls_.begin(), calls_.end(), is_of_it) || std::any_of(late_.begin(), late_.end(), is_of_it);
}

Status UnfinishedCalls::let_go(pid_t tid, const Unfinished& call, int64_t result, int signal) {
    Registers r = call.original;
    r.rax = static_cast<uint64_t>(result);
    TRY(set_registers(tid, r));
    TRY(set_options(tid, 0));
    return detach(tid, signal);
}

Status UnfinishedCalls::handle_stop(pid_t tid, const Stop& stop) {
    if (auto late = late_.extract(tid)) return late_stopped(tid, late.mapped(), stop);
    auto it = calls_.find(tid);
    if (it == calls_.end()) return {};
    Unfinished& call = it->second;
    if (stop.kind == Stop::Kind::Exited) {
        calls_.erase(it);
        return {};
    }
    if (is_call_stop(stop)) {
        if (call.in_call) return call_ended(tid, call);
        call.in_call = true;
        return resume_to_call(tid);
    }
    // Before its call has begun (again). Of what its stop is for, only a signal that matters ends the call.
    bool ends = stop.kind == Stop::Kind::Group || (stop.kind == Stop::Kind::Signal && is_ended_by(call.pid, tid, stop.signal));
    if (!ends) return resume_to_call(tid);
    Unfinished done = call;
    calls_.erase(it);
    // Without a count the kernel itself sees that the call was interrupted.
    return let_go(tid, done, sum(done.transferred, static_cast<int64_t>(done.original.rax)),
                  stop.kind == Stop::Kind::Signal ? stop.signal : 0);
}

Status UnfinishedCalls::late_stopped(pid_t tid, const Late& late, const Stop& stop) {
    if (stop.kind == Stop::Kind::Exited) return {};
    if (stop.kind == Stop::Kind::Signal) return detach(tid, stop.signal);
    auto held = mend_call(late.pid.value, tid, late.began_ns);
    return held ? go_on(late.pid, *held) : detach(tid);
}

Status UnfinishedCalls::call_ended(pid_t tid, Unfinished& call) {
    TRY_ASSIGN(Registers r, get_registers(tid));
    auto result = static_cast<int64_t>(r.rax);
    int64_t total = sum(call.transferred, result);
    bool cut_short = is_interrupted(result) || goes_on(call.pid.value, arguments_of(r), result, RemoteMemory(tid));
    if (cut_short && !call.time_is_up && !is_ended_by_signal(call.pid, tid)) {
        if (!is_interrupted(result)) call.transferred = static_cast<uint64_t>(total);
        TRY(issue(tid, call));
        if (!is_unfinished(call.transferred, call.deadline)) calls_.erase(tid);
        return {};
    }
    if (call.time_is_up && is_interrupted(total)) total = call.deadline->result;
    Unfinished done = call;
    calls_.erase(tid);
    return let_go(tid, done, total, 0);
}

Status UnfinishedCalls::check_deadlines(int64_t now_ns) {
    for (auto& [tid, call] : calls_) {
        if (!call.deadline || call.deadline->at_ns > now_ns || !call.in_call || call.time_is_up) continue;
        auto sent = interrupt(tid);
        if (!sent && sent.error().code() != ESRCH) return sent;
        call.time_is_up = true;
    }
    return {};
}

int64_t UnfinishedCalls::next_deadline_ns() const {
    int64_t next = INT64_MAX;
    for (const auto& [tid, call] : calls_)
        if (call.deadline && call.in_call && !call.time_is_up) next = std::min(next, call.deadline->at_ns);
    return next;
}

Expected<FreezeLeft> UnfinishedCalls::hold(HomePid pid, StopWaiter& waiter) {
    FreezeLeft left;
    for (auto it = late_.begin(); it != late_.end();) {
        bool is_of_it = it->second.pid == pid;
        if (is_of_it) left.late.push_back({it->first, it->second.began_ns});
        it = is_of_it ? late_.erase(it) : std::next(it);
    }
    for (auto it = calls_.begin(); it != calls_.end();) {
        auto [tid, call] = *it;
        if (call.pid != pid) {
            ++it;
            continue;
        }
        it = calls_.erase(it);
        auto one = hold_one(tid, call, waiter);
        if (one) left.held.push_back(*one);
        // It may have ended, which its process's other threads see too.
        if (!one && one.error().code() != ESRCH) return std::move(one.error());
    }
    return left;
}

Expected<HeldThread> UnfinishedCalls::hold_one(pid_t tid, Unfinished& call, StopWaiter& waiter) {
    TRY(interrupt(tid));
    HeldThread held{tid, call.transferred, call.deadline};
    Registers r = call.original;  // "to be made again"
    for (;;) {
        TRY_ASSIGN(int status, waiter.wait(tid, kHoldTimeoutMs));
        Stop stop = classify(status);
        if (stop.kind == Stop::Kind::Exited) return fail_code(ESRCH, "thread {} has ended", tid);
        bool interrupted = stop.kind == Stop::Kind::Interrupt || stop.kind == Stop::Kind::Group;
        // Any other stop has taken our INTERRUPT away (ptrace_stop in kernel/signal.c).
        if (!interrupted) TRY(interrupt(tid));
        if (is_call_stop(stop) && !call.in_call) {
            call.in_call = true;
            TRY(resume_to_call(tid));
            continue;
        }
        if (is_call_stop(stop)) {
            TRY_ASSIGN(Registers now, get_registers(tid));
            auto result = static_cast<int64_t>(now.rax);
            int64_t total = sum(call.transferred, result);
            bool cut_short = is_interrupted(result) || goes_on(call.pid.value, arguments_of(now), result, RemoteMemory(tid));
            if (cut_short && !is_interrupted(result)) held.transferred = static_cast<uint64_t>(total);
            if (!cut_short) {
                r.rax = static_cast<uint64_t>(total);
                held = {tid, 0, std::nullopt};
            }
        }
        TRY(set_registers(tid, r));
        if (interrupted) return held;
        TRY(resume(tid, is_call_stop(stop) ? 0 : stop.signal));
    }
}

}  // namespace pmi

#include "runtime/deputy/unfinished_calls.h"

#include <signal.h>
#include <sys/ptrace.h>

#include <algorithm>

#include "runtime/base/log.h"
#include "runtime/tracee/partial_transfer.h"

namespace pmi {
namespace {

constexpr int kHoldTimeoutMs = 2000;

bool is_call_stop(const Stop& stop) { return stop.kind == Stop::Kind::Signal && stop.signal == (SIGTRAP | 0x80); }

uint64_t sum(uint64_t transferred, uint64_t result) {
    return transferred + static_cast<uint64_t>(std::max<int64_t>(0, static_cast<int64_t>(result)));
}

}  // namespace

Status UnfinishedCalls::go_on(HomePid pid, pid_t tid, uint64_t transferred) {
    TRY_ASSIGN(Registers original, get_registers(tid));
    Unfinished call{pid, transferred, original, false};
    CallArguments rest = arguments_of(original);
    // Below the red zone nobody keeps anything; the kernel reads it before the thread goes on.
    uint64_t place = (original.rsp - 256 - kRestSize) & ~uint64_t{15};
    if (auto skipped = skip_transferred(rest, transferred, place, RemoteMemory(tid)); !skipped) {
        spdlog::warn("thread {}: the rest of its call {}: {}", tid, rest.nr, skipped.error().message());
        return let_go(tid, call, transferred, 0);
    }
    Registers r = original;
    set_arguments(r, rest);
    r.rip -= 2;
    r.rax = original.orig_rax;
    r.orig_rax = static_cast<uint64_t>(-1);
    TRY(set_registers(tid, r));
    TRY(set_options(tid, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    calls_[tid] = call;
    return resume_to_call(tid);
}

bool UnfinishedCalls::has(HomePid pid) const {
    return std::any_of(calls_.begin(), calls_.end(), [&](const auto& entry) { return entry.second.pid == pid; });
}

Status UnfinishedCalls::let_go(pid_t tid, const Unfinished& call, uint64_t result, int signal) {
    Registers r = call.original;
    r.rax = result;
    TRY(set_registers(tid, r));
    TRY(set_options(tid, 0));
    return detach(tid, signal);
}

Status UnfinishedCalls::handle_stop(pid_t tid, const Stop& stop) {
    auto it = calls_.find(tid);
    if (it == calls_.end()) return {};
    Unfinished& call = it->second;
    if (is_call_stop(stop) && !call.in_call) {
        call.in_call = true;
        return resume_to_call(tid);
    }
    Unfinished done = call;
    calls_.erase(it);
    if (stop.kind == Stop::Kind::Exited) return {};
    uint64_t result = done.transferred;
    if (is_call_stop(stop)) {
        TRY_ASSIGN(Registers r, get_registers(tid));
        result = sum(done.transferred, r.rax);
    }
    return let_go(tid, done, result, stop.kind == Stop::Kind::Signal && !is_call_stop(stop) ? stop.signal : 0);
}

Expected<std::vector<HeldThread>> UnfinishedCalls::hold(HomePid pid, StopWaiter& waiter) {
    std::vector<HeldThread> held;
    for (auto it = calls_.begin(); it != calls_.end();) {
        auto [tid, call] = *it;
        if (call.pid != pid) {
            ++it;
            continue;
        }
        it = calls_.erase(it);
        auto one = hold_one(tid, call, waiter);
        if (one) held.push_back(*one);
        // It may have ended, which its process's other threads see too.
        if (!one && one.error().code() != ESRCH) return std::move(one.error());
    }
    return held;
}

Expected<HeldThread> UnfinishedCalls::hold_one(pid_t tid, Unfinished& call, StopWaiter& waiter) {
    TRY(interrupt(tid));
    HeldThread held{tid, call.transferred};
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
            held.transferred = sum(call.transferred, now.rax);
        }
        bool goes = goes_on(call.pid.value, arguments_of(r), static_cast<int64_t>(held.transferred), RemoteMemory(tid));
        if (!goes || !(interrupted || is_call_stop(stop))) {
            r.rax = held.transferred;
            held.transferred = 0;
        }
        TRY(set_registers(tid, r));
        if (interrupted) return held;
        TRY(resume(tid, is_call_stop(stop) ? 0 : stop.signal));
    }
}

}  // namespace pmi

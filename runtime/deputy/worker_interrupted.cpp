// The call that a deputy's thread is in when it is stopped. A deputy thread is always in one of a few places of the agent's
// loop, and its instruction pointer tells which (agent.h):
//   idle_end              asleep, waiting for a request
//   call_begin..call_end  a request is taken, its call has not been made yet
//   call_end              inside (or just back from) the forwarded call
#include <sys/ptrace.h>

#include <algorithm>
#include <array>

#include "runtime/deputy/worker_loop.h"
#include "runtime/tracee/interrupted.h"
#include "runtime/tracee/partial_transfer.h"
#include "runtime/tracee/sleep_clock.h"
#include "runtime/tracee/socket_timeout.h"

namespace pmi {
namespace {

std::array<uint64_t, 6> slot_arguments(const Slot& slot) {
    std::array<uint64_t, 6> args{};
    std::copy(std::begin(slot.args), std::end(slot.args), args.begin());
    return args;
}
Status divert(HomePid tid, Registers& r, uint64_t to) {
    r.rip = to;
    r.orig_rax = static_cast<uint64_t>(-1);
    return set_registers(tid.value, r);
}

}  // namespace

// Its call goes on for the rest. The arena is ours to change.
Status Worker::skip_in_slot(const DeputyProcess& p, const DeputyThread& t, Slot& slot, uint64_t transferred) {
    CallArguments call{slot.nr, slot_arguments(slot)};
    TRY(skip_transferred(call, transferred, 0, RemoteMemory(t.tid.value)));
    std::copy(call.args.begin(), call.args.end(), slot.args);
    p.server->note_transferred(t.tid, transferred);
    return {};
}

// The deadline of its call, before the call is made again.
void Worker::keep_deadline(const DeputyProcess& p, const DeputyThread& t, const Slot& slot, Progressed progressed) {
    auto progress = p.server->in_progress(t.tid);
    if (!progress) return;
    int64_t last_ran = t.last_ran_ns != 0 ? t.last_ran_ns : monotonic_ns();
    auto deadline = deadline_of_call(t.tid.value, {slot.nr, slot_arguments(slot)}, progress->began_ns, last_ran);
    if (!deadline) return;
    bool is_known = progress->deadline && !(deadline->of_part && progressed == Progressed::Yes);
    if (deadline->of_part && progressed == Progressed::No) deadline->at_ns += progress->began_ns - last_ran;
    if (!is_known) p.server->set_deadline(t.tid, *deadline);
}

// The deputy's thread is stopped. What does that do to the call that it may be in?
Status Worker::settle_call(const DeputyProcess& p, DeputyThread& t, Interrupted how, bool cancel) {
    TRY_ASSIGN(Registers r, get_registers(t.tid.value));
    auto slot_index = p.server->slot_of(t.tid);
    if (!slot_index) return {};
    if (p.server->prepares_call(t.tid, cancel)) return {};
    Slot& slot = *p.region().slot(*slot_index);
    uint64_t base = p.region().base();
    uint64_t call_begin = agent_address(base, pmi_agent_call_begin), call_end = agent_address(base, pmi_agent_call_end);
    uint64_t cancel_at = agent_address(base, pmi_agent_cancel);
    if (r.rip >= call_begin && r.rip < call_end) return how == Interrupted::DeliverResult ? divert(t.tid, r, cancel_at) : Status();
    if (r.rip != call_end) {
        // Not taken yet. Only a call that is to be ended is taken from it.
        if (!cancel || __atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) != kSlotRequest) return {};
        __atomic_store_n(&slot.state, kSlotRunning, __ATOMIC_RELEASE);
        return divert(t.tid, r, cancel_at);
    }
    if (static_cast<int64_t>(r.orig_rax) < 0) return {};
    auto result = static_cast<int64_t>(r.rax);
    bool goes = !t.exiting && goes_on(t.tid.value, {slot.nr, slot_arguments(slot)}, result, RemoteMemory(t.tid.value));
    if (how == Interrupted::TimeIsUp) {
        auto progress = p.server->in_progress(t.tid);
        if ((result != -EINTR && !is_restart(result)) || !progress || !progress->deadline) return {};
        r.rax = static_cast<uint64_t>(progress->deadline->result);
        r.orig_rax = static_cast<uint64_t>(-1);
        return set_registers(t.tid.value, r);
    }
    if (goes || result == -EINTR) keep_deadline(p, t, slot, goes ? Progressed::Yes : Progressed::No);
    if (how == Interrupted::DeliverResult) {
        // With a timeout of its socket it ends with EINTR; an earlier stop may have made it go on for the rest.
        if (t.quiet && (goes || is_restart(result) || result == -EINTR)) p.server->note_partial(t.tid);
        if (!is_restart(result)) return {};  // it has its result, which is delivered
        r.orig_rax = static_cast<uint64_t>(-1);
        return set_registers(t.tid.value, r);
    }
    if (goes) {
        TRY(skip_in_slot(p, t, slot, r.rax));
        return divert(t.tid, r, call_begin);
    }
    // The kernel itself restarts what can be restarted. A bare -EINTR would reach the program.
    return result == -EINTR ? issue_again(p, t, slot, r) : Status();
}

// For the time that is left.
Status Worker::issue_again(const DeputyProcess& p, const DeputyThread& t, Slot& slot, Registers& r) {
    auto progress = p.server->in_progress(t.tid);
    RemoteMemory memory(t.tid.value);
    TRY_ASSIGN(PendingTimeout timeout,
               settle(r, progress ? progress->began_ns : monotonic_ns(), RestartBlock::Stays, false, memory));
    if (static_cast<int64_t>(r.rax) == -EINTR) return {};
    if (timeout.kind != Timeout::None) {
        auto slot_index = p.server->slot_of(t.tid);
        r.rsp = p.region().arena_address(kMaxSlots - 1) + kArenaSize - (uint64_t{slot_index.value_or(0)} + 1) * 128;
        TRY(write_timeout(r, timeout, monotonic_ns(), memory, 0));
        p.server->note_issued_again(t.tid);
        const uint64_t arguments[] = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
        slot.args[timeout.arg] = arguments[timeout.arg];
    }
    return divert(t.tid, r, agent_address(p.region().base(), pmi_agent_call_begin));
}

}  // namespace pmi

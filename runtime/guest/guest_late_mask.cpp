// Masks of which home is told late. A thread that blocks signals goes on at once; home is told with the thread's next call that
// goes there, and asks when a signal comes before that: it is held in the deputy's stop meanwhile (Worker::handle_signal). So the
// program can't tell: whatever it could learn of home, it learns by a call, and home knows its mask by then.
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>

#include "kernel-assist/userspace/pending_signals.h"
#include "runtime/base/log.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

// The deputy sends it to itself: nobody may send a siginfo of this kind to another task (rt_sigqueueinfo(2)).
Flattened queue_signal_call(const GuestThread& t, const siginfo_t& info) {
    Flattened f;
    f.call.nr = SYS_rt_tgsigqueueinfo;
    f.call.args = {static_cast<uint64_t>(t.process->pid.value),
                   static_cast<uint64_t>(t.tid.value),
                   static_cast<uint64_t>(info.si_signo),
                   0,
                   0,
                   0};
    f.call.arena_size = sizeof info;
    f.call.put_in(0, ByteBuffer(std::as_bytes(std::span(&info, 1))));
    f.call.relocs.push_back({3, 0});
    return f;
}

}  // namespace

Status GuestSupervisor::say_masks_are_late() {
    if (std::exchange(masks_late_told_, true)) return {};
    return parts_.channel->send(static_cast<uint8_t>(FrameType::MasksLate), {});
}

namespace {

uint64_t cell_of(const GuestProcess& p) { return p.patches.sites->mask_cell(); }

// Fails for one that is being killed, which reads it no more.
template <typename T>
void put_in_cell(const GuestProcess& p, size_t offset, const T& value) {
    auto done = p.memory->put(cell_of(p) + offset, value);
    if (!done) spdlog::debug("process {}: {}", p.pid.value, done.error().message());
}

}  // namespace

// It has changed its mask since home was told, by a notified call or in a stub.
bool GuestSupervisor::is_late(const GuestThread& t) {
    const GuestProcess& p = *t.process;
    if (t.mask_is_late || !p.patches.masks_open) return t.mask_is_late;
    return p.memory->get<uint32_t>(cell_of(p) + offsetof(MaskCell, is_late)).value_or(1) != 0;
}

// Of a thread that is stopped, or waits in a call.
void GuestSupervisor::note_late(GuestThread& t) {
    if (t.mask_is_late || !is_late(t)) return;
    t.mask_is_late = true;
    put_in_cell(*t.process, offsetof(MaskCell, is_late), uint32_t{0});
}

void GuestSupervisor::set_home_mask(GuestThread& t, uint64_t mask) {
    t.home_mask = mask;
    if (t.process->patches.masks_open) put_in_cell(*t.process, offsetof(MaskCell, told), mask);
}

// From now on its stubs change the mask by themselves, if it is the only thread that uses this memory.
Status GuestSupervisor::open_masks(GuestThread& t) {
    GuestProcess& p = *t.process;
    bool is_cloning = cloning_ && cloning_->parent->process == &p;
    bool is_alone = p.threads.size() == 1 && !p.shares_memory && p.vfork_children == 0 && !is_cloning;
    if (p.patches.masks_open || !is_alone || !p.patches.any_active()) return {};
    TRY(say_masks_are_late());
    put_in_cell(p, 0, MaskCell{t.home_mask, 0, 0});
    p.patches.masks_open = true;
    return {};
}

// Before another task has its memory. Its threads don't run.
void GuestSupervisor::close_masks(GuestProcess& p) {
    if (!p.patches.masks_open) return;
    for (auto& [tid, t] : p.threads) note_late(*t);
    put_in_cell(p, offsetof(MaskCell, is_closed), uint32_t{1});
    p.patches.masks_open = false;
}

// Of a thread in a call that goes home. False: something else has to be done first, and the call is looked at again after it.
Expected<bool> GuestSupervisor::bring_mask_up_to_date(GuestThread& t) {
    if (!t.carried.empty()) {
        TRY(queue_at_home(t));
        return false;
    }
    note_late(t);
    if (!t.mask_is_late) return true;
    TRY_ASSIGN(ProcStatus status, read_status(t.process->outer, t.outer));
    if ((status.sig_pending & status.sig_blocked) != 0) {
        TRY(take_signals_back(t));
        return false;
    }
    t.mask_to_tell = status.sig_blocked;
    return true;
}

// A signal that was on its way here when the thread blocked it has to be pending at home, where its call may look for it.
Status GuestSupervisor::take_signals_back(GuestThread& t) {
    // A clone under way has its arguments where the batch would be.
    TRY(stop_then(t, [this, &t]() -> Status {
        bool is_cloning = cloning_ && cloning_->parent->process == t.process;
        if (!is_cloning) TRY(take_blocked_signals(t));
        return go_on(t);
    }));
    return give(t, kErestartNoIntr);
}

Status GuestSupervisor::take_blocked_signals(GuestThread& t) {
    TRY_ASSIGN(uint64_t mask, get_signal_mask(t.outer));
    TRY_ASSIGN(auto pending, peek_pending(t.outer, Pending::Thread));
    std::erase_if(pending, [&](const siginfo_t& info) { return (mask >> (info.si_signo - 1) & 1) == 0; });
    if (pending.empty()) return {};
    t.injecting = true;
    TRY(set_signal_mask(t.outer, kInjectionMask));
    TRY_ASSIGN(auto taken, take_pending_signals(t.process->outer, t.outer, mask, pending.size(), agent_of(*t.process), *this));
    TRY(set_signal_mask(t.outer, mask));
    t.injecting = false;
    for (const siginfo_t& info : taken) {
        auto true_one = take_true_info(t, info);
        if (true_one || info.si_code != SI_QUEUE) t.carried.push_back(true_one.value_or(info));
    }
    return {};
}

// One after the other; then the call that it is in.
Status GuestSupervisor::queue_at_home(GuestThread& t) {
    TRY_ASSIGN(ProcStatus status, read_status(t.process->outer, t.outer));
    t.mask_to_tell = status.sig_blocked;
    return forward_call(
        t, nullptr, CallKind::Plain, queue_signal_call(t, t.carried.front()), [this, &t](const Reply& reply, const Flattened&) {
            if (reply.result < 0)
                spdlog::warn("{}: home does not take signal {} back: {}", t.tid.value, t.carried.front().si_signo, reply.result);
            t.carried.erase(t.carried.begin());
            return dispatch(t);
        });
}

// A thread that runs is stopped first: it might be about to change its mask.
Status GuestSupervisor::handle_mask_question(const MaskHead& question) {
    GuestThread* t = thread_of(HomePid(question.pid), HomePid(question.tid));
    if (t == nullptr || t->ended || question.signal < 1 || question.signal > 64) {
        MaskHead answer = question;
        answer.is_blocked = Blocked::No;
        return parts_.channel->send(static_cast<uint8_t>(FrameType::MaskTold), head_bytes(answer));
    }
    t->asked_signal = question.signal;
    if (!is_late(*t) || t->stopped || t->notification) return answer_mask_question(*t);
    return stop_soon(*t);
}

// One that runs was not late a moment ago. It may be by now, but that is for another question: what its stub looks at must not
// change under it, or it would unblock what home is just told to block. The signal comes to it as one that is behind.
Status GuestSupervisor::answer_mask_question(GuestThread& t) {
    MaskHead answer{t.process->pid.value, t.tid.value, std::exchange(t.asked_signal, 0), Blocked::No, t.home_mask};
    uint64_t bit = uint64_t{1} << (answer.signal - 1);
    bool stands_still = t.stopped || t.notification;
    if (t.stopped) TRY(leave_stub(t));
    if (stands_still) {
        note_late(t);
        TRY_ASSIGN(answer.mask, mask_of(t));
    }
    if ((answer.mask & bit) != 0) {
        TRY_ASSIGN(ProcStatus status, read_status(t.process->outer, t.outer));
        bool is_on_its_way =
            std::any_of(t.carried.begin(), t.carried.end(), [&](const siginfo_t& info) { return info.si_signo == answer.signal; });
        bool is_behind = (status.sig_pending & bit) != 0 || signals_.holds_for(t.tid) || is_on_its_way;
        answer.is_blocked = is_behind ? Blocked::Behind : Blocked::Yes;
        if (!is_behind && stands_still) set_home_mask(t, answer.mask);
        // Late again: what is pending here has to go home with the next call.
        if (stands_still) t.mask_is_late = (status.sig_pending & answer.mask) != 0;
    }
    return parts_.channel->send(static_cast<uint8_t>(FrameType::MaskTold), head_bytes(answer));
}

}  // namespace pmi

// Calls that are answered here, because home has answered them before and nothing has changed since.
#include "runtime/guest/guest_memory_access.h"
#include "runtime/guest/guest_supervisor.h"

namespace pmi {

// Nothing: home has to be asked.
std::optional<Status> GuestSupervisor::answer_known(GuestThread& t, const Row& row, const Flattened& flat,
                                                    const ByteBuffer& question) {
    if (row.lasts == Known::Nothing) return std::nullopt;
    auto known = t.known.find(row.lasts, question);
    if (!known) return std::nullopt;
    auto cancelled = patch_if_hot(t);
    if (!cancelled) return std::move(cancelled.error());
    if (*cancelled) return Status();
    tell_answers(*t.process);
    GuestMemoryAccess memory(*t.process->memory);
    return answer(t, apply(flat, *known, memory));
}

// An answer that was given before, or while, another thread changed what it is about says nothing of later.
void GuestSupervisor::keep_known(GuestThread& t, CallInFlight& call, const Reply& reply, bool for_all) {
    if (call.row == nullptr || call.row->lasts == Known::Nothing || call.changes_before != t.process->changes) return;
    Known what = call.row->lasts;
    if (for_all || what != Known::Credentials)
        for (auto& [tid, other] : t.process->threads)
            if (other.get() != &t && !other->known.find(what, call.question)) other->known.keep(what, call.question.copy(), reply);
    t.known.keep(what, std::move(call.question), reply);
}

// When a call that changes something is sent, and when it is answered. Credentials are each thread's own.
void GuestSupervisor::forget_known(GuestThread& t, const Row& row) {
    if (row.changes == Known::Nothing) return;
    t.process->changes++;
    if (row.changes == Known::Credentials) {
        t.known.forget(Known::Credentials);
    } else {
        for (auto& [tid, other] : t.process->threads) {
            other->known.forget(Known::OwnGroup);
            other->known.forget(Known::OwnSession);
        }
    }
    take_answers_back(*t.process);
}

}  // namespace pmi

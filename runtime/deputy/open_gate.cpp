#include "runtime/deputy/open_gate.h"

#include "runtime/deputy/fanotify_gate.h"
#include "runtime/deputy/lease_gate.h"

namespace pmi {

Expected<std::unique_ptr<OpenGate>> OpenGate::create(MustWait must_wait) {
    if (auto gate = FanotifyGate::create(must_wait)) return std::unique_ptr<OpenGate>(std::move(gate));
    TRY_ASSIGN(auto gate, LeaseGate::create(std::move(must_wait)));
    return std::unique_ptr<OpenGate>(std::move(gate));
}

}  // namespace pmi

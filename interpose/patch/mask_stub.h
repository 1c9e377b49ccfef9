// The code that a patched site of rt_sigprocmask(2) jumps to. It has the guest's own kernel change the mask, without a
// notification, as long as no signal is unblocked that home blocks: home is told late of what is blocked
// (runtime/guest/guest_late_mask.cpp). Which ones home blocks it takes from the MaskCell; there it notes, too, that the mask has
// changed.
//
//   how     made without a notification if
//   BLOCK   always
//   UNBLOCK of `set`, home blocks none
//   SETMASK to `set`, all that home blocks is in it
//
// Such a call is signed: the upper half of its first argument, which the kernel takes no notice of, is kMaskCallSign, and the
// filter lets it through. Any other one the stub makes as it is. As in stub.h no stack and no flags are used, and a thread anywhere
// in it has a place in the unpatched program. It needs BMI2.
#pragma once
#include <cstdint>
#include <optional>

#include "interpose/patch/stub.h"

namespace pmi {

bool can_run_mask_stub();  // on this CPU
// `cell`: the address of the MaskCell.
Expected<StubCode> make_mask_stub(const Site& site, uint64_t address, uint64_t cell);
bool put_outside_mask_stub(const Site& site, uint64_t address, StubRegisters& registers);
// Where a thread goes on that has a fault at `rip`, since its `set` can't be read: there the kernel itself finds out, and says
// EFAULT.
std::optional<uint64_t> after_mask_fault(uint64_t address, uint64_t rip);

}  // namespace pmi

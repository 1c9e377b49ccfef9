// --io-uring deny: io_uring_setup(2) answers ENOSYS, as on a kernel without it, so that PROGRAM takes its
// other way and stays movable.
#pragma once
#include "runtime/base/error.h"

namespace pmi::launch {

// Holds for this process from now on, over exec, and for its children.
Status deny_io_uring();

}  // namespace pmi::launch

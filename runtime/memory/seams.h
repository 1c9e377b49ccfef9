// One mapping that has become several. The kernel merges mappings that lie side by side and look the same, but not where each has
// pages already (an anon_vma of its own): so what home had kept in two parts, and then got the middle of, stays several mappings
// where the program has made one while it was away. It would notice: mremap(2) takes one mapping at a time, and gives EFAULT.
#pragma once
#include <sys/types.h>

#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/tracee/injector.h"

namespace pmi {

// Each private anonymous region of `wanted` that is several mappings in the process becomes one again: the first of them grows over
// the others, whose pages are copied. All threads of the process are stopped. Error: memory of it may be lost.
Status join_mappings(pid_t pid, const wire::Image& wanted, const CallThere& call);

}  // namespace pmi

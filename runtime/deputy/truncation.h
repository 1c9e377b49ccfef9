// A file that is cut off takes the pages behind its new end out of every mapping of it, also those that a program has made its own
// by writing to a private mapping (truncate(2), unmap_mapping_range() in Linux's mm/memory.c). What happens to the deputy's
// mappings at home does not happen to the guest's: such calls are made at home, by the program itself.
#pragma once
#include "interpose/marshal/call.h"
#include "runtime/base/ids.h"

namespace pmi {

// Would this call of a deputy's thread cut off (or move within) a file that it maps? Asks the kernel only about calls that
// can. In doubt: no.
bool would_cut_mapped_file(HomePid tid, const Call& call);

}  // namespace pmi

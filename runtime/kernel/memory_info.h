// /proc/meminfo.
#pragma once

namespace pmi {

// Whether what is available is less than an eighth of all: then memory that is only kept for later is worth less than what
// others may need it for.
bool is_memory_short();

}  // namespace pmi

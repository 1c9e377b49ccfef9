// How much memory there is, and how much a process has of it.
#pragma once
#include <sys/types.h>

#include <cstdint>

namespace pmi {

// Whether what is available is less than an eighth of all: then memory that is only kept for later is worth less than what
// others may need it for.
bool is_memory_short();
// 0 for a process that is gone.
uint64_t resident_bytes(pid_t pid);

}  // namespace pmi

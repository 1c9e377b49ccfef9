// Where a program's first injected system calls are made, before it has the agent.
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "runtime/base/error.h"

namespace pmi {

struct Foothold {
    uint64_t syscall;       // an instruction
    uint64_t empty_string;  // some byte of 0
};
// In the process's vDSO; where it has none (vdso=0 at boot, or it has unmapped it, as Valgrind does), in other code of its own.
// What is mapped at `agent_base` is ours.
Expected<Foothold> find_foothold(pid_t pid, uint64_t agent_base = 0);

}  // namespace pmi

// The account of CPU time used away that libpmi.so keeps in a program (interpose/preload/cpu_account.h).
// Written only while all of the program's threads stand still.
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "interpose/preload/cpu_account.h"
#include "runtime/base/error.h"
#include "runtime/tracee/memory.h"

namespace pmi {

// Its address; 0 where the program has no libpmi.so, or one of another kind.
Expected<uint64_t> find_cpu_account(pid_t pid);

// `account` without its generation.
Status write_cpu_account(const RemoteMemory& memory, uint64_t address, pmi_cpu_account account);
// Nothing is to be added any more.
Status clear_cpu_account(const RemoteMemory& memory, uint64_t address);

}  // namespace pmi

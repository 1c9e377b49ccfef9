// One mapping of a process, without reading the list of them all, which takes some 0.5 us for each: programs have thousands.
// PROCMAP_QUERY (Linux 6.11; Documentation/filesystems/proc.rst); before that the list is read after all.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "runtime/base/error.h"
#include "runtime/kernel/procfs.h"

namespace pmi {

// What is mapped at this address, without VmFlags; nothing if nothing is.
Expected<std::optional<MapsEntry>> find_mapping(pid_t pid, uint64_t address);

// Its [vdso]; nothing where it has none (vdso=0 at boot, or it has unmapped it, as Valgrind does).
Expected<std::optional<MapsEntry>> find_vdso_mapping(pid_t pid);

}  // namespace pmi

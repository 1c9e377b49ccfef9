// One mapping of a process, without reading the list of them all, which takes some 0.5 us for each: programs have thousands.
// PROCMAP_QUERY (Linux 6.11; Documentation/filesystems/proc.rst); before that the list is read after all.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"

namespace pmi {

// What is mapped at this address, without VmFlags; nothing if nothing is.
Expected<std::optional<MapsEntry>> find_mapping(pid_t pid, uint64_t address);

// The same of one process again and again, which leaves its list open. Not thread-safe.
class MappingLookup {
  public:
    explicit MappingLookup(pid_t pid) : pid_(pid) {}
    // Whether some of this range is mapped, and not for writing. False before Linux 6.11.
    bool is_read_only(uint64_t address, uint64_t size);

  private:
    pid_t pid_;
    Fd maps_;
    bool is_of_no_use_ = false;
};

// Its [vdso]; nothing where it has none (vdso=0 at boot, or it has unmapped it, as Valgrind does).
Expected<std::optional<MapsEntry>> find_vdso_mapping(pid_t pid);

}  // namespace pmi

// Of another process's mappings those that it may share with others. There are few, and the kernel finds them by itself
// (PROCMAP_QUERY, Linux 6.11: proc_pid_maps(5)): all of them listed as text take ten times as long.
#pragma once
#include <sys/types.h>

#include <vector>

#include "runtime/kernel/procfs.h"

namespace pmi {

// Its shared mappings that have a file, as read_maps() has them. Error: as read_maps().
Expected<std::vector<MapsEntry>> read_shared_mappings(pid_t pid);

}  // namespace pmi

// Who else has the same memory mapped shared.
#pragma once
#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <vector>

#include "runtime/kernel/procfs.h"

namespace pmi {

inline bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// Whether two shared mappings of two processes are the same memory, and one can see the other change it.
bool is_same_live_memory(const MapsEntry& ours, const MapsEntry& theirs);

struct Sharer {
    pid_t pid;
    MapsEntry mapping;  // ours
};
// One of `others`, without `pid`, that has mapped what `ours` are mappings of.
std::optional<Sharer> find_sharer(pid_t pid, const std::vector<MapsEntry>& ours, const std::vector<pid_t>& others);
// Of all processes but the calling one.
std::optional<Sharer> find_sharer(pid_t pid, const std::vector<MapsEntry>& ours);

}  // namespace pmi

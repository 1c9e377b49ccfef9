// Who else has the same memory mapped shared, or can map it.
#pragma once
#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <unordered_map>
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

// What a shared mapping of a file would look like. `link`: to its path.
MapsEntry shared_mapping_of(const struct stat& st, const std::string& link, bool writable);

// One of `others`, without `pid`, that has a descriptor of what `ours` are mappings of, and can map it without opening anything.
// Only of files without a name (unlinked, memfd): those are passed on to be mapped. Of others most just read and write.
std::optional<Sharer> find_holder(pid_t pid, const std::vector<MapsEntry>& ours, const std::vector<pid_t>& others);
std::optional<Sharer> find_holder(pid_t pid, const std::vector<MapsEntry>& ours);

// find_sharer of all processes, for who looks more than once: the mappings of a process are read again only if its sizes
// (proc_pid_statm(5)) are others than they were, which costs a twentieth. A process that in between puts one mapping in the place
// of another of the same size, of the same kind and with as many pages present, is not noticed.
class SharerSearch {
  public:
    explicit SharerSearch(pid_t pid) : pid_(pid) {}
    std::optional<Sharer> find(const std::vector<MapsEntry>& ours);
    pid_t pid() const { return pid_; }

  private:
    bool looked_for(const std::vector<MapsEntry>& ours) const;

    pid_t pid_;
    std::vector<MapsEntry> ours_;                      // of the last time
    std::unordered_map<pid_t, std::string> harmless_;  // with the sizes that they had
};

}  // namespace pmi

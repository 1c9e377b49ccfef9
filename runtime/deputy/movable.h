// Why a process can't move now, in words for a person; nothing if it can. Each check is one function; the
// first that objects wins. A reason is about the present: a process may become movable again by itself.
#pragma once
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/kernel/procfs.h"
#include "runtime/kernel/shared_memory.h"
#include "runtime/memory/regions.h"

namespace pmi {

// Processes as they were a moment ago.
using ProcessStats = std::vector<std::pair<pid_t, ProcStat>>;
ProcessStats read_stats(const std::vector<pid_t>& pids);

struct MovableContext {
    std::vector<pid_t> own_tracers;  // being traced by these is no obstacle: they are the supervisor's helpers
    int own_filters = 0;             // seccomp filters that pmirun itself put in place
    // It has been looked at before, has run since, and stands still now: what can have become true meanwhile is looked for, in a
    // fraction of the time; but for mappings, which are looked at when they are read for its image (cantmove_mapping), and who
    // shares them, see cantmove_sharing.
    bool again = false;
    // All of this machine, where many are asked about at a time; null: they are looked up.
    std::shared_ptr<const ProcessStats> all = nullptr;
};

std::optional<std::string> cantmove_reason(pid_t pid);
std::optional<std::string> cantmove_reason(pid_t pid, const MovableContext& context);

// Whether another process sees what `search`'s process stores in its shared mappings, or in those of its image. The second look
// with the same search takes a fraction of the time.
std::optional<std::string> cantmove_sharing(SharerSearch& search);
std::optional<std::string> cantmove_sharing(SharerSearch& search, const wire::Image& image);

// Judges one mapping by its name and smaps' VmFlags alone. Exposed for the tests.
std::optional<std::string> cantmove_mapping(const MapsEntry& entry);
// Judges one descriptor by what its /proc link says.
std::optional<std::string> cantmove_descriptor(const std::string& target);

}  // namespace pmi

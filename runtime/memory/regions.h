// The address space as the image describes it: from /proc/PID/smaps, and the difference between what the deputy
// still has and what the guest has now.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "interpose/agent/agent.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/page_set.h"

namespace pmi {

class DirtyTracking;

struct AddressRange {
    uint64_t start = 0, end = 0;
    bool overlaps(uint64_t s, uint64_t e) const { return s < end && start < e; }
};

// Fills image.regions and image.files from the process's smaps, leaving `agent` out. The kernel looks at every page for
// smaps, some 25 ms a GiB: too long for a program that stands still. With `before`, its regions a moment ago, the VmFlags
// are taken from there, and smaps is read only where a mapping has come or was cut since.
Status describe_regions(pid_t pid, AddressRange agent, wire::Image& image, const wire::Image* before = nullptr);
// How old they may be in the rounds of a program that runs. A madvise(2) of the whole of a mapping later than that is not noticed.
constexpr int64_t kFlagsCountNs = 250'000'000;
// Fills image.guards, of the regions that it has. All threads of the process are stopped. `tracking`, of all of its private
// mappings: only what was touched since is looked at. Error: there are some that can't be carried, in mapped files or shared
// memory.
Status describe_guard_pages(pid_t pid, const DirtyTracking* tracking, wire::Image& image);
PageSet guard_pages_of(const wire::Image& image);
// Its shared mappings of files, as far as these tell which memory it is.
std::vector<MapsEntry> shared_mappings_of(const wire::Image& image);
// Of a guest's image: home's kernel code is where it was when the program came (`arrived`), whatever stands there for it; and
// the node's own is none of the program's.
void set_kernel_code(wire::Image& image, const wire::Image& arrived);
// image.vdso: a guest gets a copy of it.
Status describe_home_vdso(pid_t alive, wire::Image& image);
// A free place for the agent (kAgentSize bytes), far from what grows.
Expected<uint64_t> choose_agent_base(const std::vector<MapsEntry>& maps);

// MADV_* for the VmFlags that madvise(2) can give back; `before`: flags that the range has, to be taken back where
// `vm_flags` lacks them.
std::vector<int> advice_of(const std::string& vm_flags, const std::string& before = "");

}  // namespace pmi

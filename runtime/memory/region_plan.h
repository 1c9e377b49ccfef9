// The difference between two address spaces: what the deputy still has, or a guest that is being laid out, and what it has to
// become.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/memory/regions.h"

namespace pmi {

// What one range of an address space needs to become another's.
struct RegionStep {
    // Grow: the mapping before it, by mremap(2). One that mremap has moved keeps the page offset of its first place, so that a new
    // mapping beside it stays one of its own, and the program's next mremap of both fails. Where it can't be done: Map.
    enum class Do { Unmap, Map, Grow, Protect, Advise } what;
    AddressRange range;
    const wire::Region* target = nullptr;  // null for Unmap
    std::string before{};                  // VmFlags that it has, for Advise
    bool is_new() const { return what == Do::Map || what == Do::Grow; }
};
struct RegionPlan {
    std::vector<RegionStep> steps;    // by address
    std::vector<AddressRange> whole;  // ranges of file mappings that home can't keep: their whole content is needed
};
// `home`: what the deputy has; `guest`: what it has to have. Files are the same when name, device and inode are.
RegionPlan plan_regions(const wire::Image& home, const wire::Image& guest);

// Memory that nothing but the program's own calls makes larger.
bool is_plain(const wire::Region& region);

// The parts in which a region is mapped. By its heuristic the kernel refuses one mapping that is larger than RAM and swap, while a
// region made bit by bit may be (overcommit_memory in proc_sys_vm(5)).
std::vector<AddressRange> parts_of(const wire::Region& region);

}  // namespace pmi

#include "runtime/memory/seams.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <vector>

#include "runtime/base/log.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/pages.h"
#include "runtime/memory/region_plan.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/memory.h"

namespace pmi {
namespace {

constexpr uint64_t kMostAtOnce = 16u << 20;  // bytes that are in nobody's memory but ours for a moment

using Maps = std::vector<MapsEntry>;

bool would_be_one(const MapsEntry& a, const MapsEntry& b) {
    return a.end == b.start && a.prot() == b.prot() && !a.shared && !b.shared && !a.has_file() && !b.has_file() && a.name == b.name;
}

// Where in [start, end) a mapping ends and the next one begins, though they could be one. Empty: it is one, or could not be.
std::vector<uint64_t> seams_of(const Maps& maps, uint64_t start, uint64_t end) {
    std::vector<uint64_t> seams;
    auto at = std::upper_bound(maps.begin(), maps.end(), start, [](uint64_t a, const MapsEntry& m) { return a < m.end; });
    if (at == maps.end() || at->start > start) return {};
    for (; at->end < end; ++at) {
        auto next = std::next(at);
        if (next == maps.end() || !would_be_one(*at, *next)) return {};
        seams.push_back(at->end);
    }
    return seams;
}

class Joiner {
  public:
    Joiner(const RemoteMemory& memory, const PageMap& pages, const CallThere& call) : memory_(memory), pages_(pages), call_(call) {}

    // The mapping that ends where `range` starts takes its place.
    Status extend_over_all(AddressRange range, const wire::Region& region) {
        TRY_ASSIGN(auto runs, pages_.own_pages(range.start, range.end));
        PageSet all(std::move(runs));
        for (uint64_t end = 0; range.start < range.end; range.start = end) {
            end = end_of_most(all, range);
            TRY(extend_over({range.start, end}, region));
        }
        return {};
    }

  private:
    // How far kMostAtOnce of pages go.
    static uint64_t end_of_most(const PageSet& pages, AddressRange range) {
        uint64_t left = kMostAtOnce;
        for (uint64_t at = range.start; at < range.end;) {
            auto [end, inside] = pages.stretch(at, range.end);
            if (inside && end - at > left) return at + left;
            if (inside) left -= end - at;
            at = end;
        }
        return range.end;
    }

    Status extend_over(AddressRange range, const wire::Region& region) {
        TRY_ASSIGN(auto runs, pages_.own_pages(range.start, range.end));
        PageSet pages(std::move(runs));
        std::vector<std::byte> bytes(pages.bytes());
        TRY(each_of(pages, bytes, [&](uint64_t address, auto part) { return memory_.read(address, part); }));
        TRY(place(range, region));
        return each_of(pages, bytes, [&](uint64_t address, auto part) { return memory_.write(address, part); });
    }

    template <typename Do>
    static Status each_of(const PageSet& pages, std::span<std::byte> bytes, Do what) {
        for (const auto& run : pages.runs()) {
            TRY(what(run.start, bytes.first(run.end - run.start)));
            bytes = bytes.subspan(run.end - run.start);
        }
        return {};
    }

    Status place(AddressRange range, const wire::Region& region) {
        uint64_t size = range.end - range.start;
        TRY_ASSIGN(int64_t gone, call_(SYS_munmap, {range.start, size, 0, 0, 0, 0}));
        if (gone < 0) return fail_code(static_cast<int>(-gone), "unmap {:#x}-{:#x}", range.start, range.end);
        TRY_ASSIGN(int64_t grown, call_(SYS_mremap, {range.start - kPage, kPage, kPage + size, 0, 0, 0}));
        if (grown >= 0) return {};
        spdlog::warn("process {}: {:#x} can't grow up to {:#x}: {}", memory_.pid(), range.start, range.end,
                     fail_code(static_cast<int>(-grown), "mremap").message());
        uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        if (has_vm_flag(region.vm_flags(), "nr")) flags |= MAP_NORESERVE;
        TRY_ASSIGN(int64_t mapped, call_(SYS_mmap, {range.start, size, region.protection(), flags, ~uint64_t{0}, 0}));
        if (mapped < 0) return fail_code(static_cast<int>(-mapped), "map {:#x}-{:#x}", range.start, range.end);
        return {};
    }

    const RemoteMemory& memory_;
    const PageMap& pages_;
    const CallThere& call_;
};

}  // namespace

Status join_mappings(pid_t pid, const wire::Image& wanted, const CallThere& call) {
    TRY_ASSIGN(Maps maps, read_maps(pid));
    for (const auto& r : wanted.regions()) {
        if (!is_plain(r)) continue;
        auto seams = seams_of(maps, r.start(), r.end());
        if (seams.empty()) continue;
        spdlog::debug("process {}: {:#x}-{:#x} becomes one mapping instead of {}", pid, r.start(), r.end(), seams.size() + 1);
        TRY_ASSIGN(PageMap pages, PageMap::open(pid));
        RemoteMemory memory(pid);
        Joiner joiner(memory, pages, call);
        wire::Region rest = r;
        rest.set_start(seams.front());
        for (const auto& part : parts_of(rest)) TRY(joiner.extend_over_all(part, r));
    }
    return {};
}

}  // namespace pmi

// mremap while away. A mapping that a program makes beside one that is followed (dirty_tracking.h) does not merge with it, as it
// would natively, and mremap takes one mapping at a time: over such a seam it is done piece by piece.
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>

#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

// Userfaultfd's marks aside.
bool would_be_one(const MapsEntry& a, const MapsEntry& b) {
    auto flags = [](const MapsEntry& m) {
        std::string text = m.vm_flags + " ";
        for (const char* mark : {"uw ", "um "})
            if (size_t at = text.find(mark); at != std::string::npos) text.erase(at, 3);
        return text;
    };
    bool is_plain = !a.shared && !b.shared && !a.has_file() && !b.has_file() && a.name == b.name;
    return is_plain && a.end == b.start && a.prot() == b.prot() && flags(a) == flags(b);
}

// [start, end) as pieces of several mappings that would natively be one. Empty: natively it would not be one either.
std::vector<AddressRange> pieces_of(const std::vector<MapsEntry>& maps, uint64_t start, uint64_t end) {
    std::vector<AddressRange> pieces;
    const MapsEntry* previous = nullptr;
    for (const auto& m : maps) {
        if (m.end <= start || m.start >= end) continue;
        bool fits = previous == nullptr ? m.start <= start : would_be_one(*previous, m);
        if (!fits) return {};
        pieces.push_back({std::max(start, m.start), std::min(end, m.end)});
        previous = &m;
    }
    return pieces.empty() || pieces.back().end < end ? std::vector<AddressRange>() : pieces;
}

}  // namespace

Status GuestSupervisor::remap(GuestThread& t, const Row& row) {
    const auto& a = t.notification->args;
    bool grows = a[2] > a[1];
    bool moves = (a[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0;
    if (!grows && !moves) return let_run(t);
    // What moves is known by its old address.
    if (lacks_pages(*t.process)) return when_all_are_there(t);
    TRY_ASSIGN(auto maps, read_maps(t.process->alive()));
    uint64_t end = a[0] + std::max(a[1], kPage);
    int parts = 0;
    for (const auto& m : maps) {
        if (m.start >= end || a[0] >= m.end) continue;
        parts++;
        // Home has it where it was, and would need the file to map it again.
        if (m.inode != 0) return go_home(t, row.nr, "a mapping of a file that grows or moves");
    }
    constexpr uint64_t kKnown = MREMAP_MAYMOVE | MREMAP_FIXED;
    bool is_usual = a[0] % kPage == 0 && a[1] > 0 && a[2] > 0 && (a[3] & ~kKnown) == 0 && a[0] + a[1] > a[0] &&
                    ((a[3] & MREMAP_FIXED) == 0 || ((a[3] & MREMAP_MAYMOVE) != 0 && a[4] % kPage == 0));
    return parts > 1 && is_usual ? remap_over_seams(t) : let_run(t);
}

Status GuestSupervisor::remap_over_seams(GuestThread& t) {
    const auto a = t.notification->args;
    auto rounded = [](uint64_t size) { return (size + kPage - 1) & ~(kPage - 1); };
    uint64_t old_size = rounded(a[1]), size = rounded(a[2]);
    TRY_ASSIGN(auto maps, read_smaps(t.process->alive()));
    auto pieces = pieces_of(maps, a[0], a[0] + old_size);
    bool overlaps = (a[3] & MREMAP_FIXED) != 0 && a[4] < a[0] + old_size && a[0] < a[4] + size;
    if (pieces.size() < 2 || overlaps) return let_run(t);
    uint64_t protection = 0, no_reserve = 0;
    for (const auto& m : maps)
        if (m.start <= a[0] && a[0] < m.end) {
            protection = static_cast<uint64_t>(m.prot());
            no_reserve = m.has_flag("nr") ? MAP_NORESERVE : 0;
        }
    TRY(stop_then(t, [this, &t, a, old_size, size, pieces, protection, no_reserve]() -> Status {
        int64_t got = 0;
        TRY(inject(t, [&](const CallThere& call) -> Status {
            TRY_ASSIGN(got, remap_pieces(call, a, old_size, size, pieces, protection, MAP_PRIVATE | MAP_ANONYMOUS | no_reserve));
            return {};
        }));
        return go_on_with(t, got);
    }));
    return give(t, kErestartNoIntr);
}

// What the call gives. New memory is made first: then nothing of the old is lost if there is no room for it.
Expected<int64_t> GuestSupervisor::remap_pieces(const CallThere& call, const std::array<uint64_t, 6>& a, uint64_t old_size,
                                                uint64_t size, const std::vector<AddressRange>& pieces, uint64_t protection,
                                                uint64_t flags) {
    constexpr auto kNoFile = static_cast<uint64_t>(-1);
    bool is_fixed = (a[3] & MREMAP_FIXED) != 0;
    if (!is_fixed) {
        TRY_ASSIGN(int64_t grown,
                   call(SYS_mmap, {a[0] + old_size, size - old_size, protection, flags | MAP_FIXED_NOREPLACE, kNoFile, 0}));
        if (grown >= 0) return static_cast<int64_t>(a[0]);
        if ((a[3] & MREMAP_MAYMOVE) == 0) return -ENOMEM;
    }
    TRY_ASSIGN(int64_t place,
               call(SYS_mmap, {is_fixed ? a[4] : 0, size, protection, flags | (is_fixed ? MAP_FIXED : 0), kNoFile, 0}));
    if (place < 0) return place;
    auto to = static_cast<uint64_t>(place);
    for (const auto& piece : pieces) {
        uint64_t offset = piece.start - a[0];
        if (offset >= size) {  // it shrinks
            TRY(call(SYS_munmap, {piece.start, piece.end - piece.start, 0, 0, 0, 0}));
            continue;
        }
        uint64_t length = piece.end - piece.start, kept = std::min(length, size - offset);
        TRY_ASSIGN(int64_t moved, call(SYS_mremap, {piece.start, length, kept, MREMAP_MAYMOVE | MREMAP_FIXED, to + offset, 0}));
        if (moved < 0) return moved;
    }
    return place;
}

}  // namespace pmi

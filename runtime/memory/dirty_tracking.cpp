#include "runtime/memory/dirty_tracking.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <iterator>

#include "runtime/kernel/descriptor_copy.h"
#include "runtime/memory/guard_pages.h"
#include "runtime/memory/pagemap_scan.h"

namespace pmi {
namespace {

// linux/userfaultfd.h of 6.7.
constexpr uint64_t kFeatureWpAsync = 1u << 15;
constexpr uint64_t kPageBytes = 4096;
constexpr std::ptrdiff_t kMostAtOnce = 64;  // mappings, which are followed in one call

// From where the mapping before ends to where the next one begins.
PageRun room_of(const std::vector<PageRun>& used, const PageRun& mapping) {
    auto starts_before = [](const PageRun& r, uint64_t at) { return r.start < at; };
    auto next = std::lower_bound(used.begin(), used.end(), mapping.end, starts_before);
    auto own = std::lower_bound(used.begin(), used.end(), mapping.start, starts_before);
    return {own == used.begin() ? mapping.start : std::min(mapping.start, std::prev(own)->end),
            next == used.end() ? mapping.end : next->start};
}

Status shake_hands(int uffd) {
    uffdio_api api{};
    api.api = UFFD_API;
    api.features = kFeatureWpAsync;
    if (::ioctl(uffd, UFFDIO_API, &api) != 0) return fail_errno("userfaultfd without asynchronous write protection (Linux 6.7)");
    return {};
}

}  // namespace

Expected<DirtyTracking> DirtyTracking::start(pid_t pid, pid_t tid, uint64_t instruction, StopWaiter& waiter) {
    Injector injector(tid, waiter);
    TRY_ASSIGN(int64_t there, injector.call_at(instruction, SYS_userfaultfd, {kUserfaultfdFlags, 0, 0, 0, 0, 0}));
    if (there < 0) return fail_code(static_cast<int>(-there), "userfaultfd in process {}", pid);
    Fd uffd = copy_of_fd(tid, static_cast<int>(there));
    int why = errno;
    TRY(injector.call_at(instruction, SYS_close, {static_cast<uint64_t>(there), 0, 0, 0, 0, 0}));
    if (!uffd.valid()) return fail_code(why, "take a descriptor of process {}", pid);
    return adopt(tid, std::move(uffd));
}

Expected<DirtyTracking> DirtyTracking::adopt(pid_t tid, Fd uffd) {
    TRY(shake_hands(uffd.get()));
    return share(tid, std::move(uffd));
}

Expected<DirtyTracking> DirtyTracking::share(pid_t tid, Fd uffd) {
    // Read-only: the file's mode is 0400 (and writing means nothing).
    TRY_ASSIGN(Fd pagemap, open_file("/proc/" + std::to_string(tid) + "/pagemap", O_RDONLY));
    return DirtyTracking(std::move(uffd), std::move(pagemap));
}

Status DirtyTracking::follow(const std::vector<PageRun>& mappings, const std::vector<PageRun>& used) {
    auto follow_range = [&](const PageRun& range) {
        uffdio_register wanted{};
        wanted.mode = UFFDIO_REGISTER_MODE_WP;
        wanted.range = {range.start, range.end - range.start};
        return ::ioctl(uffd_.get(), UFFDIO_REGISTER, &wanted) == 0;
    };
    for (auto first = mappings.begin(); first != mappings.end();) {
        auto end = std::next(first);
        PageRun room = room_of(used, *first);
        for (; end != mappings.end() && room.end >= end->start && end - first < kMostAtOnce; ++end)
            room.end = room_of(used, *end).end;
        bool all = follow_range(room);
        for (auto m = first; m != end; ++m) {
            if (!all && !follow_range(*m)) {
                if (errno == ENOMEM || errno == ESRCH) return fail_code(ESRCH, "it has ended, or started another program");
                continue;
            }
            followed_.add(m->start, m->end);
        }
        first = end;
    }
    return {};
}

// Exactly these categories: then Linux does not look at the pages themselves (pagemap_scan_pmd_entry() in fs/proc/task_mmu.c).
Expected<PageSet> DirtyTracking::touched(const std::vector<PageRun>& mappings) const {
    ScanArg arg{};
    arg.category_mask = arg.return_mask = kPageIsWritten;
    PageSet touched;
    // One scan of what lies side by side: thousands of mappings may.
    PageSet all(mappings);
    for (const auto& run : all.runs())
        TRY(scan_pages(pagemap_.get(), run, arg, [&](const ScanRegion& r) { touched.add(r.start, r.end); }));
    return touched;
}

Expected<PageSet> DirtyTracking::take_written(const std::vector<PageRun>& mappings) const {
    ScanArg arg{};
    arg.flags = kScanProtect;
    arg.category_inverted = kPageIsFile | kPageIsPfnzero | guard_category();
    arg.category_mask = arg.category_inverted | kPageIsWritten;
    arg.category_anyof_mask = kPageIsPresent | kPageIsSwapped;
    arg.return_mask = kPageIsWritten;
    PageSet written;
    PageSet all(mappings);
    for (const auto& side_by_side : all.runs()) {
        TRY_ASSIGN(PageSet touched, this->touched({side_by_side}));
        for (const auto& run : close_runs(touched))
            TRY(scan_pages(pagemap_.get(), run, arg, [&](const ScanRegion& r) { written.add(r.start, r.end); }));
    }
    return written;
}

Expected<DirtyTracking::Pages> DirtyTracking::look(const std::vector<PageRun>& mappings) const {
    ScanArg arg{};
    arg.category_inverted = arg.category_mask = kPageIsFile | kPageIsPfnzero | guard_category();
    arg.category_anyof_mask = kPageIsPresent | kPageIsSwapped;
    arg.return_mask = kPageIsFollowed | kPageIsWritten;
    Pages pages;
    PageSet all(mappings);
    for (const auto& run : all.runs())
        TRY(scan_pages(pagemap_.get(), run, arg, [&](const ScanRegion& r) {
            pages.own.add(r.start, r.end);
            if (r.categories == kPageIsFollowed) pages.clean.add(r.start, r.end);
        }));
    return pages;
}

bool DirtyTracking::let_go_some() {
    if (followed_.empty()) return false;
    PageRun first = followed_.runs().front();
    first.end = std::min(first.end, first.start + let_go_.amount() * kPageBytes);
    uffdio_range range{first.start, first.end - first.start};
    // What has gone meanwhile needs nothing.
    (void)let_go_.timed([&] { return ::ioctl(uffd_.get(), UFFDIO_UNREGISTER, &range); });
    followed_.subtract(PageSet({first}));
    return !followed_.empty();
}

Status DirtyTracking::probe() {
    Fd uffd(static_cast<int>(::syscall(SYS_userfaultfd, kUserfaultfdFlags)));
    if (!uffd.valid()) return fail_errno("userfaultfd");
    TRY_ASSIGN(auto tracking, adopt(::getpid(), std::move(uffd)));
    void* memory = ::mmap(nullptr, 4 * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail_errno("map memory for a probe");
    Mapping mapping(memory, 4 * kPageBytes);
    auto address = reinterpret_cast<uint64_t>(memory);
    auto write = [&](uint64_t page) { static_cast<volatile char*>(memory)[page * kPageBytes] = 1; };
    for (uint64_t page : {0, 1}) write(page);
    std::vector<PageRun> both{{address, address + 2 * kPageBytes}};
    TRY(tracking.follow({{address, address + 4 * kPageBytes}}));
    TRY(tracking.take_written(both));
    write(1);
    TRY_ASSIGN(auto pages, tracking.look(both));
    if (pages.clean != PageSet({{address, address + kPageBytes}})) return fail("its page scan does not tell what was written");
    TRY(try_moved(tracking, address + 2 * kPageBytes));
    return try_touched(tracking);
}

// Before Linux 6.14 a page keeps its mark when its mapping moves: at its new address, `to`, it would look clean. The page comes
// from a mapping of its own: where it was, another thread may map something at once.
Status DirtyTracking::try_moved(DirtyTracking& tracking, uint64_t to) {
    void* page = ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return fail_errno("map memory for a probe");
    auto prepared = [&]() -> Status {
        *static_cast<volatile char*>(page) = 1;
        auto at = reinterpret_cast<uint64_t>(page);
        std::vector<PageRun> here{{at, at + kPageBytes}};
        TRY(tracking.follow(here));
        TRY(tracking.take_written(here));
        void* there = reinterpret_cast<void*>(to);  // NOLINT: an address of ours
        if (::mremap(page, kPageBytes, kPageBytes, MREMAP_MAYMOVE | MREMAP_FIXED, there) == MAP_FAILED)
            return fail_errno("move memory for a probe");
        return {};
    }();
    if (!prepared) {
        ::munmap(page, kPageBytes);
        return prepared;
    }
    std::vector<PageRun> there{{to, to + kPageBytes}};
    TRY(tracking.follow(there));
    TRY_ASSIGN(auto after, tracking.look(there));
    return after.clean.empty() ? Status() : fail("its marks move with mremap (Linux before 6.14)");
}

// That what is given back, and what has no page tables, is told.
Status DirtyTracking::try_touched(DirtyTracking& tracking) {
    constexpr uint64_t kTable = 2u << 20;  // bytes that a page table is for
    void* memory = ::mmap(nullptr, 4 * kTable, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail_errno("map memory for a probe");
    Mapping mapping(memory, 4 * kTable);
    auto address = reinterpret_cast<uint64_t>(memory);
    uint64_t table = (address + kTable - 1) & ~(kTable - 1), bare = table + kTable;
    auto* pages = static_cast<volatile char*>(memory) + (table - address);
    for (uint64_t at : {uint64_t{0}, kPageBytes}) pages[at] = 1;
    std::vector<PageRun> all{{table, bare + kTable}};
    TRY(tracking.follow(all));
    TRY(tracking.take_written(all));
    ::madvise(static_cast<char*>(memory) + (table - address) + kPageBytes, kPageBytes, MADV_DONTNEED);
    TRY_ASSIGN(PageSet touched, tracking.touched(all));
    if (touched.contains(table)) return fail("its page scan tells of pages that were not written");
    if (!touched.contains(table + kPageBytes)) return fail("its page scan does not tell of pages that were given back");
    if (touched.stretch(bare, bare + kTable).end != bare + kTable || !touched.contains(bare))
        return fail("its page scan does not tell of pages that never were");
    return {};
}

}  // namespace pmi

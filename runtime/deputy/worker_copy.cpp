// What home keeps of the memory of a program that is away. It keeps its pages, as they were when the program left, where
// the node knows what the program writes there: so coming home costs what was written. Else, or where memory is short, it
// gives them up. Pages that it has and that nobody vouches for are dropped before the program comes home (drop_stale).
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/kernel/memory_info.h"
#include "runtime/memory/pages.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {
namespace {

constexpr uint64_t kDontNeedLocked = 24;  // MADV_DONTNEED_LOCKED, Linux 5.18
constexpr size_t kDropsAtOnce = 1000;
constexpr int64_t kLookAtMemoryNs = 10'000'000'000;

// One region's runs of pages as slices that hold at most so much, with the holes between: a reservation of terabytes with a
// few pages is one slice.
void add_slices(const std::vector<PageRun>& runs, std::vector<AddressRange>& slices) {
    constexpr uint64_t kSlice = 32 << 20;
    uint64_t room = 0;  // in the last slice
    for (const auto& run : runs)
        for (uint64_t at = run.start; at < run.end;) {
            if (room == 0) {
                slices.push_back({at, at});
                room = kSlice;
            }
            uint64_t size = std::min(room, run.end - at);
            room -= size;
            at = slices.back().end = at + size;
        }
}

}  // namespace

Status Worker::keep_or_free(DeputyProcess& p, const wire::Image& image, bool node_tracks) {
    p.keeps_copy = node_tracks && !setup_.free_home_memory && !is_memory_short();
    return p.keeps_copy ? Status() : free_copy(p, image);
}

// Others may need it later.
Status Worker::check_memory() {
    int64_t now = monotonic_ns();
    if (now < memory_check_at_ns_) return {};
    memory_check_at_ns_ = now + kLookAtMemoryNs;
    bool any = false;
    for (const auto& [pid, p] : processes_) any |= p->keeps_copy && p->running && !p->pages;
    if (!any || !is_memory_short()) return {};
    std::vector<HomePid> pids;
    for (const auto& [pid, p] : processes_)
        if (p->keeps_copy && p->running && !p->pages) pids.push_back(pid);
    for (HomePid pid : pids) {
        DeputyProcess* p = process_of(pid);
        if (p == nullptr || p->layout.regions_size() == 0) continue;
        spdlog::info("process {}: memory is short here; its copy is given up", pid.value);
        wire::Image layout = p->layout;
        TRY(free_copy(*p, layout));
    }
    return {};
}

// First the node hears of it: what it sends from then on is whole.
Status Worker::free_copy(DeputyProcess& p, const wire::Image& image) {
    HomePid pid = p.pid;
    p.keeps_copy = false;
    auto told = p.session->send(FrameType::Freed, ProcessHead{pid.value});
    if (!told) return {};  // the connection's loss is dealt with where it is received
    auto hollowed = hollow_out(p, image);
    if (!hollowed) spdlog::warn("process {} keeps its memory at home: {}", pid.value, hollowed.error().message());
    return {};
}

Status Worker::with_stopped_deputy(HomePid pid, const std::function<Status(pid_t tid)>& work) {
    for (;;) {
        TRY(one_event(0));
        DeputyProcess* p = process_of(pid);
        if (p == nullptr) return fail_code(ESRCH, "process {} has ended", pid.value);
        auto found = p->threads.find(HomePid(p->alive()));
        if (found == p->threads.end()) return fail_code(ESRCH, "process {} has ended", pid.value);
        DeputyThread& t = found->second;
        if (t.asked_signal != 0) {
            TRY(one_event(1));
            continue;
        }
        if (t.stopped) return fail("it is stopped");
        TRY(interrupt(t.tid.value));
        TRY_ASSIGN(int status, wait(t.tid.value, 1000));
        Stop stop = classify(status);
        if (stop.kind != Stop::Kind::Interrupt && stop.kind != Stop::Kind::Group) {
            TRY(handle_stop(t.tid.value, stop));
            continue;
        }
        TRY_ASSIGN(uint64_t mask, get_signal_mask(t.tid.value));
        TRY(set_signal_mask(t.tid.value, kInjectionMask));
        Status done = work(t.tid.value);
        TRY(set_signal_mask(t.tid.value, mask));
        if (stop.kind == Stop::Kind::Group) {  // it stops again, and is seen to
            TRY(interrupt(t.tid.value));
            TRY(let_run(t));
        } else {
            TRY(handle_stop(t.tid.value, stop));
        }
        return done;
    }
}

// Home keeps the skeleton of the address space, and of its contents what files have anyway and what ps reads.
Status Worker::hollow_out(DeputyProcess& p, const wire::Image& image) {
    HomePid pid = p.pid;
    TRY_ASSIGN(PageMap pages, PageMap::open(p.alive()));
    std::vector<AddressRange> slices;
    uint64_t keep_from = image.layout().arg_start() & ~(kPage - 1);
    for (const auto& r : image.regions()) {
        if (r.kind() != wire::Region::ANONYMOUS || r.shared()) continue;
        bool has_arguments = r.start() <= keep_from && keep_from < r.end();
        uint64_t end = has_arguments ? keep_from : r.end();
        TRY_ASSIGN(auto own, pages.own_pages(r.start(), end));
        add_slices(own, slices);
    }
    // One stop of one deputy thread a slice: a call that is being served is held up no longer than a slice takes.
    AgentPlace place = p.region().place_for_batches();
    for (const auto& slice : slices) {
        auto dropped = with_stopped_deputy(pid, [&](pid_t tid) {
            Batch batch(tid, tid, place, *this);
            batch.call(SYS_madvise, slice.start, slice.end - slice.start, kDontNeedLocked);
            return batch.run();
        });
        if (!dropped && process_of(pid) == nullptr) return {};
        TRY(std::move(dropped));
    }
    return {};
}

// Its threads are stopped.
Status Worker::drop_here(const DeputyProcess& p, const std::vector<AddressRange>& ranges) {
    pid_t alive = p.alive();
    for (size_t next = 0; next < ranges.size();) {
        Batch batch(alive, alive, p.region().place_for_batches(), *this);
        std::vector<size_t> calls;
        for (; calls.size() < kDropsAtOnce && next < ranges.size(); next++)
            calls.push_back(batch.call(SYS_madvise, ranges[next].start, ranges[next].end - ranges[next].start, kDontNeedLocked));
        TRY(batch.run());
        for (size_t call : calls) TRY(batch.check(call, "drop pages"));
    }
    return {};
}

// All that it has of its own. Its threads are stopped; what the program has is about to come.
Status Worker::drop_stale(const DeputyProcess& p) {
    pid_t alive = p.alive();
    TRY_ASSIGN(PageMap pages, PageMap::open(alive));
    TRY_ASSIGN(auto maps, read_maps(alive));
    AddressRange agent{p.region().base(), p.region().base() + kAgentSize};
    std::vector<AddressRange> stale;
    for (const auto& m : maps) {
        bool is_kernels = m.name == "[vdso]" || m.name == "[vsyscall]" || m.name.starts_with("[vvar");
        if (m.shared || is_kernels || agent.overlaps(m.start, m.end)) continue;
        TRY_ASSIGN(auto own, pages.own_pages(m.start, m.end));
        for (const auto& run : own) stale.push_back({run.start, run.end});
    }
    return drop_here(p, stale);
}

}  // namespace pmi

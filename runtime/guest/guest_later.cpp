// Memory that comes when its program already runs here (page_fetcher.h): AskLater -> LaterAt, and home has connected; the
// image; Later: which pages these are; End, and from then on whoever touches one waits until it is there. Calls that
// can't be made before all of them are (fork, mremap), freezes and rounds wait.
#include <sys/syscall.h>

#include "runtime/base/log.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/guest/page_fetcher.h"
#include "runtime/memory/pages.h"

namespace pmi {
namespace {

Expected<PageSet> present_of(pid_t pid, const PageSet& wanted) {
    TRY_ASSIGN(PageMap pages, PageMap::open(pid));
    std::vector<PageRun> found;
    for (const auto& run : close_runs(wanted)) {
        TRY_ASSIGN(auto runs, pages.present_pages(run.start, run.end));
        found.insert(found.end(), runs.begin(), runs.end());
    }
    PageSet present(std::move(found));
    present.intersect(wanted);
    return present;
}

}  // namespace

Status GuestSupervisor::make_ready_for_later() {
    if (arrival_ || had_guest_ || page_lines_) return fail("a question for memory that comes later, too late");
    TRY(UserFault::probe());
    auto tell = [&](const LaterPorts& ports) {
        return parts_.stream->send(make_stream_message(StreamKind::LaterAt, 0, {}, std::as_bytes(std::span(&ports, 1))));
    };
    TRY_ASSIGN(page_lines_, parts_.page_lines(tell));
    return {};
}

// In place of start_following(): the same userfaultfd does both.
Status GuestSupervisor::start_fetcher() {
    GuestBuilder& builder = *arrival_->builder;
    auto can_track = DirtyTracking::probe();
    TRY_ASSIGN(UserFault faults, builder.make_userfault(can_track ? UserFault::Track::Yes : UserFault::Track::No));
    Fd guest(static_cast<int>(::syscall(SYS_pidfd_open, builder.outer(), 0)));
    if (!guest.valid()) return fail_errno("pidfd_open of the guest");
    TRY_ASSIGN(fetcher_, PageFetcher::start(std::move(faults), std::move(guest), std::move(*page_lines_)));
    fetched_for_ = HomePid(arrival_->image.pid());
    if (!can_track) {
        spdlog::info("process {}: {}; all of its memory will travel on", arrival_->image.pid(), can_track.error().message());
        return {};
    }
    TRY_ASSIGN(Fd tracker, fetcher_->tracker());
    TRY_ASSIGN(auto tracking, DirtyTracking::share(builder.outer(), std::move(tracker)));
    arrival_->follower = std::make_unique<MemoryFollower>(std::make_shared<DirtyTracking>(std::move(tracking)));
    return {};
}

Status GuestSupervisor::take_later(const StreamView& view) {
    if (!fetcher_ || !arrival_->is_final) return fail("memory that comes later, unasked");
    TRY_ASSIGN(auto ranges, arrival_->memory->dropped(view));
    PageSet later;
    for (const auto& r : ranges) later.add(r.start, r.end);
    arrival_->later.unite(later);
    if (arrival_->follower) arrival_->follower->note_dropped(ranges);
    // Where a page is there nobody would wait for it. What it was in a round is out of date; and the first page that was stored in
    // memory with MADV_HUGEPAGE has made a huge one, with zeros around it.
    TRY_ASSIGN(PageSet there, present_of(arrival_->builder->outer(), later));
    std::vector<AddressRange> out_of_date;
    for (const auto& run : there.runs()) out_of_date.push_back({run.start, run.end});
    return arrival_->builder->drop(out_of_date);
}

// Behind settle(): what comes is what home has.
Status GuestSupervisor::expect_later() {
    if (!fetcher_) return {};
    std::vector<PageRun> mappings;
    for (const auto& r : arrival_->image.regions()) {
        PageSet here({{r.start(), r.end()}});
        here.intersect(arrival_->later);
        if (here.empty()) continue;
        if (r.kind() != wire::Region::ANONYMOUS || r.shared()) return fail("memory at {:#x} can't come later", r.start());
        mappings.push_back({r.start(), r.end()});
    }
    if (arrival_->follower) arrival_->follower->note_later(arrival_->later);
    return fetcher_->expect(arrival_->later, mappings);
}

Status GuestSupervisor::take_page_news() {
    fetcher_->take_news();
    // Why it did not work is told with the guest's end.
    if (!fetcher_->is_complete()) return {};
    TRY(parts_.channel->send(static_cast<uint8_t>(FrameType::AllThere), head_bytes(ProcessHead{fetched_for_.value})));
    for (const auto& w : std::exchange(waiting_for_pages_, {})) {
        GuestThread* t = thread_of(w.pid, w.tid);
        bool still_waits = t != nullptr && t->notification && t->notification->id == w.notification && !t->call;
        if (!still_waits) continue;
        TRY(t->process->held() ? run_again(*t) : dispatch(*t));
    }
    return {};
}

// Of a vfork's child: its parent's memory.
bool GuestSupervisor::lacks_pages(const GuestProcess& p) const {
    if (!fetcher_ || fetcher_->is_complete()) return false;
    const GuestProcess* owner = &p;
    while (owner->shares_memory) {
        auto parent = processes_.find(owner->vfork_parent);
        if (parent == processes_.end()) break;
        owner = parent->second.get();
    }
    return owner->pid == fetched_for_;
}

Status GuestSupervisor::when_all_are_there(const GuestThread& t) {
    waiting_for_pages_.push_back({t.process->pid, t.tid, t.notification->id});
    return {};
}

}  // namespace pmi

#include "remote/movers/memory_follower.h"

#include <algorithm>
#include <utility>

#include "interpose/agent/agent.h"
#include "remote/movers/round_policy.h"
#include "runtime/memory/region_plan.h"

namespace pmi {

namespace {

constexpr double kDropSeconds = 20e-6;  // for each run of pages, at the destination: its userfaultfd tells of each

// All that is mapped, by address; the agent is in no image.
std::vector<PageRun> used_places(const wire::Image& image) {
    std::vector<PageRun> used;
    for (const auto& r : image.regions()) used.push_back({r.start(), r.end()});
    PageRun agent{image.agent_base(), image.agent_base() + kAgentSize};
    used.insert(std::upper_bound(used.begin(), used.end(), agent, [](const auto& a, const auto& b) { return a.start < b.start; }),
                agent);
    return used;
}

std::vector<PageRun> anonymous_mappings(const wire::Image& image) {
    std::vector<PageRun> mappings;
    for (const auto& r : image.regions())
        if (r.kind() == wire::Region::ANONYMOUS) mappings.push_back({r.start(), r.end()});
    return mappings;
}

std::vector<PageRun> runs_of(const std::vector<AddressRange>& ranges) {
    std::vector<PageRun> runs;
    runs.reserve(ranges.size());
    for (const auto& r : ranges) runs.push_back({r.start, r.end});
    return runs;
}

// What was there a moment ago and is to come later need not be looked at while the program stands still. What has gone of it
// since is zeros there too.
PageSet take_foreseen(const SendOrder& order) {
    if (order.later == nullptr) return {};
    PageSet before = std::exchange(*order.later, {}), foreseen;
    SendOrder sorting = order;
    sorting.later = &foreseen;
    for (const auto& r : order.image->regions()) put_off(sorting, r, before);
    return foreseen;
}

}  // namespace

std::vector<PageRun> private_mappings(const wire::Image& image) {
    std::vector<PageRun> mappings;
    for (const auto& r : image.regions())
        if (is_private(r)) mappings.push_back({r.start(), r.end()});
    return mappings;
}

void MemoryFollower::start_sending(const SendOrder& order, Stream& stream) {
    stream_ = &stream;
    pid_ = order.image->pid();
    sender_.emplace(order, stream);
    memory_.emplace(order.pid);
    pieces_.clear();
    sent_.clear(), zeros_.clear(), became_zero_.clear();
    vanished_ = false;
    contents_.reset();
}

// Where the other side, by the same comparison, maps anew: it has nothing there any more. A page may have been taken and sent after
// its mapping was replaced, but before the other side was told: the kernel says then that it has not been written since. What was
// read of a file through such a mapping may be something else.
PageSet MemoryFollower::forget_replaced(const wire::Image& image) {
    PageSet replaced;
    bool was_told = layout_.regions_size() > 0;
    if (was_told)
        for (const auto& step : plan_regions(layout_, image).steps)
            if (step.is_new() || step.what == RegionStep::Do::Unmap) replaced.add(step.range.start, step.range.end);
    known_.subtract(replaced);
    held_.subtract(replaced);
    for (const auto& r : layout_.regions()) {
        PageSet here({{r.start(), r.end()}});
        here.intersect(replaced);
        if (r.kind() != wire::Region::FILE || here.empty()) continue;
        const auto& file = layout_.files(static_cast<int>(r.file()));
        if (files_.erase({file.device(), file.inode()}) > 0) files_again_ = true;
    }
    note_layout(image);
    return replaced;
}

void MemoryFollower::note_layout(const wire::Image& image) {
    *layout_.mutable_regions() = image.regions();
    *layout_.mutable_files() = image.files();
}

Status MemoryFollower::begin_round(const SendOrder& order, Stream& stream) {
    start_sending(order, stream);
    auto mappings = private_mappings(*order.image);
    PageSet written, replaced = forget_replaced(*order.image);
    // What is to follow need not be followed.
    if (order.later == nullptr) {
        TRY(tracking_->follow(mappings, used_places(*order.image)));
        TRY_ASSIGN(written, tracking_->take_written(mappings));
        replaced.intersect(PageSet(mappings));
        TRY_ASSIGN(auto pages, tracking_->look(replaced.runs()));
        written.unite(pages.own);
    }
    taken_elsewhere(written);
    if (on_taken) on_taken(written);
    if (std::exchange(all_is_news_, false)) {
        TRY_ASSIGN(auto pages, tracking_->look(mappings));
        written = std::move(pages.own);
        taken_.unite(written);
    }
    if (order.file_contents) {
        TRY_ASSIGN(contents_, FileContents::open(order));
        plan_files(order);
    }
    plan_pages(*order.image, written);
    std::string bytes = order.image->SerializeAsString();
    return stream.send(make_stream_message(StreamKind::Layout, pid_, {}, std::as_bytes(std::span(bytes))));
}

// What the program can store in through a shared mapping is sent when it stands still.
void MemoryFollower::plan_files(const SendOrder& order) {
    for (const auto& part : parts_to_send(order, Files::OnlyPrivate, files_))
        add_piece({StreamKind::FileData, part.position, part.address, part.size, files_again_});
}

void MemoryFollower::plan_pages(const wire::Image& image, const PageSet& pages) {
    for (const auto& r : image.regions()) {
        if (!is_private(r)) continue;
        PageSet here({{r.start(), r.end()}});
        here.intersect(pages);
        for (const auto& run : here.runs())
            add_piece({StreamKind::Pages, run.start, run.start, run.end - run.start, zeros_matter(image, r)});
    }
}

void MemoryFollower::add_piece(const Piece& piece) {
    pieces_.push_back(piece);
    sender_->expect(piece.size);
}

Expected<bool> MemoryFollower::step() {
    uint64_t budget = kMemoryMessage;
    while (!pieces_.empty() && budget > 0) {
        Piece& next = pieces_.front();
        Piece now = next;
        now.size = std::min(next.size, budget);
        TRY(send_piece(now));
        budget -= now.size;
        next.where += now.size, next.address += now.size, next.size -= now.size;
        if (next.size == 0) pieces_.pop_front();
    }
    if (!pieces_.empty()) return true;
    TRY(sender_->flush());
    TRY(send_drops(pid_, became_zero_));
    note_round();
    if (std::exchange(file_vanished_, false)) files_changed();
    TRY(stream_->send(make_stream_message(StreamKind::RoundEnd, pid_, {}, {})));
    return false;
}

Expected<uint64_t> MemoryFollower::written_since(const wire::Image& layout) const {
    TRY_ASSIGN(PageSet touched, tracking_->touched(private_mappings(layout)));
    // Where it has nothing of its own it has written nothing.
    TRY_ASSIGN(auto pages, tracking_->look(close_runs(touched)));
    pages.own.subtract(pages.clean);
    return pages.own.bytes();
}

Status MemoryFollower::take_back(const SendOrder& order, Stream& stream) {
    start_sending(order, stream);
    PageSet all;
    SendOrder sorting = order;
    sorting.later = &all;
    for (const auto& r : order.image->regions()) {
        PageSet region({{r.start(), r.end()}});
        put_off(sorting, r, region);
    }
    forget_replaced(*order.image);
    std::string bytes = order.image->SerializeAsString();
    TRY(stream.send(make_stream_message(StreamKind::Layout, pid_, {}, std::as_bytes(std::span(bytes)))));
    TRY(send_drops(pid_, all));
    held_.subtract(all);
    known_.subtract(all);
    taken_back_ = true;
    return stream.send(make_stream_message(StreamKind::RoundEnd, pid_, {}, {}));
}

void MemoryFollower::note_round() {
    held_.unite(sent_);
    held_.subtract(became_zero_);
    known_.unite(sent_);
    known_.unite(zeros_);
}

Status MemoryFollower::read_pages(uint64_t address, std::span<std::byte> to, std::vector<bool>& there) const {
    for (size_t i = 0; i < there.size();) {
        size_t read = memory_->read_some(address + i * kPage, to.subspan(i * kPage)) / kPage;
        if (read == 0) there[i] = memory_->read(address + i * kPage, to.subspan(i * kPage, kPage)).ok();
        i += std::max<size_t>(read, 1);
    }
    return {};
}

Status MemoryFollower::send_piece(const Piece& piece) {
    bool is_file = piece.kind == StreamKind::FileData;
    auto wanted = [&](uint64_t where, std::span<const std::byte> page, bool is_there) {
        if (!is_there) {
            (is_file ? file_vanished_ : vanished_) = true;
            return false;
        }
        bool zeros = !piece.zeros_matter && is_zero(page);
        if (zeros) sender_->count_zero_page();
        if (is_file) return !zeros;
        if (zeros && held_.contains(where)) became_zero_.add(where, where + kPage);
        (zeros ? zeros_ : sent_).add(where, where + kPage);
        return !zeros;
    };
    auto read = [&](uint64_t offset, std::span<std::byte> to, std::vector<bool>& there) -> Status {
        TRY(read_pages(piece.address + offset, to, there));
        return is_file ? contents_->show_file(piece.where + offset, piece.address + offset, to) : Status();
    };
    return sender_->add_some(piece.kind, piece.where, piece.size, read, wanted);
}

Status MemoryFollower::send_drops(int32_t pid, const PageSet& drops) {
    const auto& runs = drops.runs();
    for (size_t at = 0; at < runs.size(); at += kMaxRuns) {
        std::vector<MemoryRun> some;
        for (size_t i = at; i < std::min(runs.size(), at + kMaxRuns); i++)
            some.push_back({runs[i].start, runs[i].end - runs[i].start});
        TRY(stream_->send(make_stream_message(StreamKind::Drop, pid, some, {})));
    }
    return {};
}

// What the other side has of an earlier time goes there run by run.
bool MemoryFollower::sending_takes_less(const SendOrder& order) const {
    PageSet stale = *order.later;
    stale.intersect(held_);
    double sending = static_cast<double>(order.later->bytes()) / link_or_usual(order.link);
    return static_cast<double>(stale.runs().size()) * kDropSeconds > sending;
}

Expected<MoveTotals> MemoryFollower::send(const SendOrder& order, Stream& stream) {
    start_sending(order, stream);
    auto mappings = private_mappings(*order.image);
    PageSet replaced = forget_replaced(*order.image);
    if (!known_.empty()) TRY(tracking_->follow(mappings, used_places(*order.image)));
    PageSet foreseen = held_.empty() || taken_back_ ? take_foreseen(order) : PageSet();
    PageSet unforeseen(mappings);
    unforeseen.subtract(foreseen);
    TRY_ASSIGN(Seen seen, look(*order.image, unforeseen, replaced));
    seen.clean.intersect(known_);
    PageSet written = seen.own;
    written.subtract(seen.clean);
    for (const auto& r : order.image->regions()) put_off(order, r, written);
    if (order.later != nullptr) order.later->unite(foreseen);
    if (order.later != nullptr && sending_takes_less(order)) written.unite(std::exchange(*order.later, {}));
    PageSet gone = std::move(seen.looked);
    gone.intersect(held_);
    gone.subtract(seen.own);
    plan_pages(*order.image, written);
    while (!pieces_.empty()) {
        Piece& next = pieces_.front();
        Piece now = next;
        now.size = std::min<uint64_t>(next.size, kMemoryMessage);
        TRY(send_piece(now));
        next.where += now.size, next.address += now.size, next.size -= now.size;
        if (next.size == 0) pieces_.pop_front();
    }
    if (vanished_) return fail("memory of process {} can't be read", order.pid);
    if (order.file_contents)
        TRY(send_files(order, Files::All, files_, *sender_, files_again_ ? MemorySender::Zeros::Send : MemorySender::Zeros::Skip));
    if (!order.file_contents) TRY(send_stores(order, *sender_));
    TRY(send_whole(order, *sender_));
    TRY(sender_->flush());
    gone.unite(became_zero_);
    TRY(send_drops(pid_, gone));
    return sender_->totals();
}

// What the tracker does not tell of is as it was when it was taken: it need not be looked at if it is known.
Expected<MemoryFollower::Seen> MemoryFollower::look(const wire::Image& image, const PageSet& all, const PageSet& replaced) const {
    PageSet where = all;
    if (!all_is_news_ && !known_.empty()) {
        auto anonymous = anonymous_mappings(image);
        where.subtract(PageSet(anonymous));
        TRY_ASSIGN(PageSet touched, tracking_->touched(anonymous));
        where.unite(touched);
        PageSet unsure = taken_;
        unsure.subtract(known_);
        where.unite(unsure);
        where.unite(replaced);
    }
    PageSet looked(close_runs(where));
    looked.intersect(all);
    TRY_ASSIGN(auto pages, tracking_->look(looked.runs()));
    return Seen{std::move(looked), std::move(pages.own), std::move(pages.clean)};
}

void MemoryFollower::note_dropped(const std::vector<AddressRange>& ranges) {
    PageSet gone(runs_of(ranges));
    PageSet still(std::exchange(installed_, {}));
    still.subtract(gone);
    installed_ = still.runs();
    held_.subtract(gone);
    known_.subtract(gone);
}

Status MemoryFollower::settle(const wire::Image& image) {
    auto mappings = private_mappings(image);
    PageSet here(mappings), fresh(std::exchange(installed_, {}));
    TRY(tracking_->follow(mappings, used_places(image)));
    fresh.intersect(here);
    TRY_ASSIGN(PageSet taken, tracking_->take_written(close_runs(fresh)));
    taken_.unite(taken);
    held_.unite(fresh);
    held_.intersect(here);
    known_ = held_;
    note_layout(image);
    return {};
}

}  // namespace pmi

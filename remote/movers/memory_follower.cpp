#include "remote/movers/memory_follower.h"

#include <algorithm>

#include "interpose/agent/agent.h"

namespace pmi {

std::vector<PageRun> private_mappings(const wire::Image& image) {
    std::vector<PageRun> mappings;
    for (const auto& r : image.regions())
        if (is_private(r)) mappings.push_back({r.start(), r.end()});
    return mappings;
}

void MemoryFollower::start_sending(const SendOrder& order, Stream& stream) {
    stream_ = &stream;
    pid_ = order.image->pid();
    sender_.emplace(order.pid, pid_, stream);
    memory_.emplace(order.pid);
    pieces_.clear();
    sent_.clear(), zeros_.clear(), became_zero_.clear();
    vanished_ = false;
}

Status MemoryFollower::begin_round(const SendOrder& order, Stream& stream) {
    start_sending(order, stream);
    auto mappings = private_mappings(*order.image);
    TRY(tracking_->follow(mappings));
    TRY_ASSIGN(PageSet written, tracking_->take_written(mappings));
    known_.subtract(written);
    if (on_taken) on_taken(written);
    if (order.file_contents) plan_files(order);
    plan_pages(*order.image, written);
    std::string bytes = order.image->SerializeAsString();
    return stream.send(make_stream_message(StreamKind::Layout, pid_, {}, std::as_bytes(std::span(bytes))));
}

// What the program can store in through a shared mapping is sent when it stands still.
void MemoryFollower::plan_files(const SendOrder& order) {
    for (const auto& part : parts_to_send(order, Files::OnlyPrivate, files_))
        pieces_.push_back({StreamKind::FileData, part.position, part.address, part.size, false});
}

void MemoryFollower::plan_pages(const wire::Image& image, const PageSet& pages) {
    for (const auto& r : image.regions()) {
        if (!is_private(r)) continue;
        PageSet here({{r.start(), r.end()}});
        here.intersect(pages);
        for (const auto& run : here.runs())
            pieces_.push_back({StreamKind::Pages, run.start, run.start, run.end - run.start, zeros_matter(image, r)});
    }
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
    if (std::exchange(file_vanished_, false)) files_.clear();
    TRY(stream_->send(make_stream_message(StreamKind::RoundEnd, pid_, {}, {})));
    return false;
}

void MemoryFollower::note_round() {
    held_.unite(sent_);
    held_.subtract(became_zero_);
    known_.unite(sent_);
    known_.unite(zeros_);
}

void MemoryFollower::read_pages(const Piece& piece, std::vector<bool>& there) {
    size_t pages = piece.size / kPage;
    there.assign(pages, true);
    buffer_.resize(piece.size);
    auto to = std::span(buffer_);
    size_t done = memory_->read_some(piece.address, to) / kPage;
    for (size_t i = done; i < pages; i++) there[i] = memory_->read(piece.address + i * kPage, to.subspan(i * kPage, kPage)).ok();
}

Status MemoryFollower::send_piece(const Piece& piece) {
    std::vector<bool> there;
    read_pages(piece, there);
    size_t pages = there.size();
    bool is_file = piece.kind == StreamKind::FileData;
    auto page_at = [&](size_t i) { return std::span<const std::byte>(buffer_).subspan(i * kPage, kPage); };
    for (size_t i = 0; i < pages;) {
        uint64_t where = piece.where + i * kPage;
        if (!there[i]) {
            (is_file ? file_vanished_ : vanished_) = true;
            i++;
            continue;
        }
        if (!piece.zeros_matter && is_zero(page_at(i))) {
            if (!is_file) {
                zeros_.add(where, where + kPage);
                if (held_.contains(where)) became_zero_.add(where, where + kPage);
            }
            sender_->count_zero_page();
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < pages && there[end] && (piece.zeros_matter || !is_zero(page_at(end)))) end++;
        TRY(sender_->add_bytes(piece.kind, where, std::span<const std::byte>(buffer_).subspan(i * kPage, (end - i) * kPage)));
        if (!is_file) sent_.add(where, where + (end - i) * kPage);
        i = end;
    }
    return {};
}

Status MemoryFollower::send_drops(int32_t pid, const PageSet& drops) {
    const auto& runs = drops.runs();
    for (size_t at = 0; at < runs.size(); at += kMaxRuns) {
        std::vector<MemoryRun> some;
        for (size_t i = at; i < std::min(runs.size(), at + kMaxRuns); i++) some.push_back({runs[i].start, runs[i].end - runs[i].start});
        TRY(stream_->send(make_stream_message(StreamKind::Drop, pid, some, {})));
    }
    return {};
}

Expected<MoveTotals> MemoryFollower::send(const SendOrder& order, Stream& stream) {
    start_sending(order, stream);
    auto mappings = private_mappings(*order.image);
    TRY(tracking_->follow(mappings));
    TRY_ASSIGN(auto pages, tracking_->look(mappings));
    pages.clean.intersect(known_);
    PageSet written = pages.own;
    written.subtract(pages.clean);
    PageSet gone(mappings);
    gone.intersect(held_);
    gone.subtract(pages.own);
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
    if (order.file_contents) TRY(send_files(order, Files::All, files_, *sender_));
    if (!order.file_contents) TRY(send_stores(order, *sender_));
    TRY(send_whole(order, *sender_));
    TRY(sender_->flush());
    gone.unite(became_zero_);
    TRY(send_drops(pid_, gone));
    return sender_->totals();
}

Status MemoryFollower::settle(const wire::Image& image) {
    auto mappings = private_mappings(image);
    TRY(tracking_->follow(mappings));
    TRY(tracking_->take_written(mappings));
    return {};
}

Status MemoryFollower::all_is_known(const wire::Image& image) {
    TRY(settle(image));
    TRY_ASSIGN(auto pages, tracking_->look(private_mappings(image)));
    held_ = pages.own;
    known_ = std::move(pages.clean);
    return {};
}

}  // namespace pmi

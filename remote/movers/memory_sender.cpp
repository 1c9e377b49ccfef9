#include "remote/movers/memory_sender.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "interpose/agent/agent.h"
#include "remote/movers/run_message.h"

namespace pmi {

bool is_zero(std::span<const std::byte> bytes) {
    // Comparing the block with itself, one byte on, lets memcmp's vector loop do the work.
    return bytes.empty() || (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

namespace {

constexpr uint64_t kBatchesOfTheRest = 16;
constexpr size_t kMaxBytesAsked = 3 * kMemoryMessage;

template <typename Byte>
std::span<Byte> page_of(std::span<Byte> bytes, size_t at) {
    return bytes.subspan(at, std::min<size_t>(kPage, bytes.size() - at));
}

}  // namespace

Status MemorySender::add(StreamKind kind, uint64_t where, uint64_t address, uint64_t size, Zeros zeros) {
    return add(
        kind, where, size,
        [&](uint64_t offset, std::span<std::byte> to, std::vector<bool>&) { return memory_.read(address + offset, to); }, zeros);
}

Status MemorySender::add(StreamKind kind, uint64_t where, uint64_t size, const Read& read, Zeros zeros) {
    auto wanted = [&](uint64_t, std::span<const std::byte> page, bool) {
        bool skips = zeros == Zeros::Skip && is_zero(page);
        if (skips) count_zero_page();
        return !skips;
    };
    return add_some(kind, where, size, read, wanted);
}

Status MemorySender::add_some(StreamKind kind, uint64_t where, uint64_t size, const Read& read, const Wanted& wanted) {
    std::vector<bool> there;
    for (uint64_t offset = 0; offset < size;) {
        TRY_ASSIGN(auto to, room_for(kind, size - offset));
        there.assign((to.size() + kPage - 1) / kPage, true);
        TRY(read(offset, to, there));
        for (size_t at = 0; at < to.size(); at += kPage)
            there[at / kPage] = wanted(where + offset + at, page_of(to, at), there[at / kPage]);
        for (size_t at = 0; at < to.size(); at += kPage)
            if (there[at / kPage]) filling_.keep(where + offset + at, page_of(to, at));
        offset += to.size();
        done_with(to.size());
    }
    return {};
}

Status MemorySender::add_bytes(StreamKind kind, uint64_t where, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        TRY_ASSIGN(auto to, room_for(kind, bytes.size()));
        std::memcpy(to.data(), bytes.data(), to.size());
        filling_.keep(where, to);
        done_with(to.size());
        where += to.size();
        bytes = bytes.subspan(to.size());
    }
    return {};
}

// As much as fits, behind what the message has already; it may end up as so many runs of one page.
Expected<std::span<std::byte>> MemorySender::room_for(StreamKind kind, uint64_t wanted) {
    constexpr size_t kWorthWhile = 16 * kPage;
    // The less there is still to come, the less waits until a message is full.
    uint64_t most = std::clamp<uint64_t>(left_ / kBatchesOfTheRest, kBatch, kMemoryMessage) & ~(kPage - 1);
    auto left = [&] { return most - std::min(most, filling_.filled); };
    auto runs_left = [&] { return kMaxRunsAtOnce - filling_.runs.size(); };
    if (kind != filling_.kind || left() < std::min<uint64_t>(wanted, kWorthWhile) || runs_left() < kWorthWhile / kPage)
        TRY(dispatch());
    filling_.kind = kind;
    if (filling_.buffer.data() == nullptr) filling_.buffer = pool_.take(kHeadRoom + kMemoryMessage);
    uint64_t size = std::min<uint64_t>({wanted, left(), runs_left() * kPage});
    if (size < wanted) size &= ~(kPage - 1);
    return std::span(filling_.payload() + filling_.filled, size);
}

void MemorySender::Batch::keep(uint64_t where, std::span<const std::byte> bytes) {
    std::byte* to = payload() + filled;
    if (to != bytes.data()) std::memmove(to, bytes.data(), bytes.size());
    filled += bytes.size();
    add_run(runs, where, bytes.size());
}

Status MemorySender::flush() {
    TRY(dispatch());
    while (!asked_.empty()) TRY(send_oldest());
    return {};
}

// What is filled is sent, or asked for.
Status MemorySender::dispatch() {
    if (filling_.runs.empty()) return {};
    Batch batch = std::exchange(filling_, {});
    if (finder_ == nullptr || !finder_->wants(batch.kind)) return send(std::move(batch));
    TRY(ask(batch));
    asked_.push_back(std::move(batch));
    auto bytes_asked = [&] {
        return std::accumulate(asked_.begin(), asked_.end(), size_t{0}, [](size_t n, const Batch& b) { return n + b.filled; });
    };
    while (asked_.size() > kMaxAsked || bytes_asked() > kMaxBytesAsked) TRY(send_oldest());
    return {};
}

// The whole pages of a batch: `visit` gets the number of each, where it goes, and what is in it; the rest has number -1.
template <typename Visit>
static void visit_pages(std::span<const MemoryRun> runs, const std::byte* at, Visit visit) {
    int number = 0;
    for (const auto& run : runs)
        for (uint64_t done = 0; done < run.size; done += kPage) {
            uint64_t size = std::min<uint64_t>(kPage, run.size - done);
            visit(size == kPage ? number++ : -1, run.where + done, std::span(at, size));
            at += size;
        }
}

Status MemorySender::ask(const Batch& batch) {
    std::vector<MemoryRun> runs;
    std::vector<const std::byte*> pages;
    visit_pages(batch.runs, batch.payload(), [&](int number, uint64_t where, std::span<const std::byte> page) {
        if (number < 0) return;
        pages.push_back(page.data());
        add_run(runs, where, kPage);
    });
    totals_.bytes += runs.size() * sizeof(MemoryRun) + pages.size() * sizeof(PageHash);
    return finder_->ask(batch.kind, home_pid_, runs, pages, stream_);
}

// Without what the destination has found.
Status MemorySender::send_oldest() {
    Batch batch = std::move(asked_.front());
    asked_.pop_front();
    size_t asked = 0;
    visit_pages(batch.runs, batch.payload(),
                [&](int number, uint64_t, std::span<const std::byte>) { asked += number >= 0 ? 1 : 0; });
    TRY_ASSIGN(auto found, finder_->answer(batch.kind, asked, stream_, [this] { return look_up(); }));
    auto runs = std::exchange(batch.runs, {});
    batch.filled = 0;
    visit_pages(runs, batch.payload(), [&](int number, uint64_t where, std::span<const std::byte> page) {
        if (number >= 0 && found[static_cast<size_t>(number)])
            totals_.found_pages++;
        else
            batch.keep(where, page);
    });
    return batch.runs.empty() ? Status() : send(std::move(batch));
}

Status MemorySender::send(Batch batch) {
    auto message = describe_runs(batch.payload(), batch.filled, batch.kind, home_pid_, batch.runs);
    auto buffer = std::make_shared<BufferPool::Buffer>(std::move(batch.buffer));
    TRY(wait_for_room());
    totals_.bytes += message.size();
    totals_.pages += (batch.filled + kPage - 1) / kPage;
    return stream_.send_zero_copy(message, [buffer] {});
}

// send() waits too, but nobody could end that.
Status MemorySender::wait_for_room() {
    constexpr int kLookEveryMs = 20;
    if (!between_) return {};
    for (int waited = 0; waited < kStreamSendTimeoutMs; waited += kLookEveryMs) {
        TRY(look_up());
        if (stream_.can_send(kLookEveryMs)) return {};
    }
    return fail_code(ETIMEDOUT, "stream: the peer takes nothing");
}

}  // namespace pmi

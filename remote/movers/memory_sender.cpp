#include "remote/movers/memory_sender.h"

#include <algorithm>
#include <cstring>

#include "interpose/agent/agent.h"

namespace pmi {

bool is_zero(std::span<const std::byte> bytes) {
    // Comparing the block with itself, one byte on, lets memcmp's vector loop do the work.
    return bytes.empty() || (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

namespace {

template <typename Byte>
std::span<Byte> page_of(std::span<Byte> bytes, size_t at) {
    return bytes.subspan(at, std::min<size_t>(kPage, bytes.size() - at));
}

}  // namespace

Status MemorySender::add(StreamKind kind, uint64_t where, uint64_t address, uint64_t size, Zeros zeros) {
    auto read = [&](uint64_t offset, std::span<std::byte> to, std::vector<bool>&) { return memory_.read(address + offset, to); };
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
        for (size_t at = 0; at < to.size(); at += kPage) there[at / kPage] = wanted(where + offset + at, page_of(to, at), there[at / kPage]);
        if (finder_ != nullptr && finder_->wants(kind)) TRY(leave_out_found(kind, where + offset, to, there));
        for (size_t at = 0; at < to.size(); at += kPage)
            if (there[at / kPage]) keep(where + offset + at, page_of(to, at));
        offset += to.size();
        done_with(to.size());
    }
    return {};
}

// Of those that are wanted.
Status MemorySender::leave_out_found(StreamKind kind, uint64_t where, std::span<const std::byte> bytes, std::vector<bool>& wanted) {
    std::vector<MemoryRun> runs;
    std::vector<const std::byte*> pages;
    std::vector<size_t> numbers;
    for (size_t i = 0; (i + 1) * kPage <= bytes.size(); i++) {
        if (!wanted[i]) continue;
        uint64_t at = where + i * kPage;
        if (!runs.empty() && runs.back().where + runs.back().size == at)
            runs.back().size += kPage;
        else
            runs.push_back({at, kPage});
        pages.push_back(bytes.data() + i * kPage);
        numbers.push_back(i);
    }
    if (pages.empty()) return {};
    auto between = [this] { return between_ ? between_(totals_, left_) : Status(); };
    TRY_ASSIGN(auto found, finder_->find(kind, home_pid_, runs, pages, stream_, between));
    totals_.bytes += runs.size() * sizeof(MemoryRun) + pages.size() * sizeof(PageHash);
    for (size_t i = 0; i < found.size(); i++) {
        if (!found[i]) continue;
        wanted[numbers[i]] = false;
        totals_.found_pages++;
    }
    return {};
}

Status MemorySender::add_bytes(StreamKind kind, uint64_t where, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        TRY_ASSIGN(auto to, room_for(kind, bytes.size()));
        std::memcpy(to.data(), bytes.data(), to.size());
        keep(where, to);
        done_with(to.size());
        where += to.size();
        bytes = bytes.subspan(to.size());
    }
    return {};
}

// As much as fits, behind what the message has already; it may end up as so many runs of one page.
Expected<std::span<std::byte>> MemorySender::room_for(StreamKind kind, uint64_t wanted) {
    constexpr size_t kWorthWhile = 16 * kPage;
    size_t left = kMemoryMessage - filled_, runs_left = kMaxRunsAtOnce - runs_.size();
    if (kind != kind_ || left < std::min<uint64_t>(wanted, kWorthWhile) || runs_left < kWorthWhile / kPage) {
        TRY(flush());
        left = kMemoryMessage, runs_left = kMaxRunsAtOnce;
    }
    kind_ = kind;
    if (buffer_.data() == nullptr) buffer_ = pool_.take(kHeadRoom + kMemoryMessage);
    uint64_t size = std::min<uint64_t>({wanted, left, runs_left * kPage});
    if (size < wanted) size &= ~(kPage - 1);
    return std::span(payload() + filled_, size);
}

// `bytes` are in the message's room, at its end or behind a gap.
void MemorySender::keep(uint64_t where, std::span<const std::byte> bytes) {
    std::byte* to = payload() + filled_;
    if (to != bytes.data()) std::memmove(to, bytes.data(), bytes.size());
    filled_ += bytes.size();
    if (!runs_.empty() && runs_.back().where + runs_.back().size == where)
        runs_.back().size += bytes.size();
    else
        runs_.push_back({where, bytes.size()});
    totals_.pages += (bytes.size() + kPage - 1) / kPage;
}

Status MemorySender::flush() {
    if (runs_.empty()) return {};
    StreamHead head{kind_, static_cast<uint32_t>(runs_.size()), home_pid_, {}};
    size_t described = runs_.size() * sizeof(MemoryRun);
    std::byte* begin = payload() - described - sizeof head;
    std::memcpy(begin, &head, sizeof head);
    std::memcpy(begin + sizeof head, runs_.data(), described);
    std::span<const std::byte> message(begin, sizeof head + described + filled_);
    auto buffer = std::make_shared<BufferPool::Buffer>(std::move(buffer_));
    buffer_ = {};
    runs_.clear();
    filled_ = 0;
    TRY(wait_for_room());
    totals_.bytes += message.size();
    return stream_.send_zero_copy(message, [buffer] {});
}

// send() waits too, but nobody could end that.
Status MemorySender::wait_for_room() {
    constexpr int kLookEveryMs = 20;
    if (!between_) return {};
    for (int waited = 0; waited < kStreamSendTimeoutMs; waited += kLookEveryMs) {
        TRY(between_(totals_, left_));
        if (stream_.can_send(kLookEveryMs)) return {};
    }
    return fail_code(ETIMEDOUT, "stream: the peer takes nothing");
}

}  // namespace pmi

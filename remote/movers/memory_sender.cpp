#include "remote/movers/memory_sender.h"

#include <algorithm>
#include <cstring>

#include "interpose/agent/agent.h"

namespace pmi {

bool is_zero(std::span<const std::byte> bytes) {
    // Comparing the block with itself, one byte on, lets memcmp's vector loop do the work.
    return bytes.empty() || (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

Status MemorySender::add(StreamKind kind, uint64_t where, uint64_t address, uint64_t size, Zeros zeros) {
    while (size > 0) {
        TRY(room_for(kind, kPage));
        size_t chunk = std::min<uint64_t>(size, kMemoryMessage - bytes_.size());
        size_t begin = bytes_.size();
        bytes_.resize(begin + chunk);
        TRY(memory_.read(address, std::span(bytes_).subspan(begin)));
        if (zeros == Zeros::Skip)
            keep_nonzero(where, begin, chunk);
        else
            note_run(where, chunk);
        where += chunk;
        address += chunk;
        size -= chunk;
    }
    return {};
}

Status MemorySender::add_bytes(StreamKind kind, uint64_t where, std::span<const std::byte> bytes) {
    TRY(room_for(kind, bytes.size()));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    note_run(where, bytes.size());
    return {};
}

Status MemorySender::room_for(StreamKind kind, size_t size) {
    if (kind != kind_ || bytes_.size() + size > kMemoryMessage || runs_.size() >= kMaxRuns) TRY(flush());
    kind_ = kind;
    if (bytes_.capacity() < kMemoryMessage) bytes_.reserve(kMemoryMessage);
    return {};
}

void MemorySender::note_run(uint64_t where, size_t size) {
    if (!runs_.empty() && runs_.back().where + runs_.back().size == where)
        runs_.back().size += size;
    else
        runs_.push_back({where, size});
    totals_.pages += (size + kPage - 1) / kPage;
}

// The chunk is in bytes_ from `begin` on; its zero pages are taken out again.
void MemorySender::keep_nonzero(uint64_t where, size_t begin, size_t size) {
    size_t to = begin;
    for (size_t at = 0; at < size; at += kPage) {
        size_t length = std::min<size_t>(kPage, size - at);
        if (is_zero(std::span(bytes_).subspan(begin + at, length))) {
            totals_.zero_pages++;
            continue;
        }
        if (to != begin + at) std::memmove(&bytes_[to], &bytes_[begin + at], length);
        to += length;
        note_run(where + at, length);
    }
    bytes_.resize(to);
}

Status MemorySender::flush() {
    if (runs_.empty()) {
        bytes_.clear();
        return {};
    }
    auto message = std::make_shared<std::vector<std::byte>>(make_stream_message(kind_, home_pid_, runs_, bytes_));
    totals_.bytes += message->size();
    runs_.clear();
    bytes_.clear();
    return stream_.send_zero_copy(*message, [message] {});
}

}  // namespace pmi

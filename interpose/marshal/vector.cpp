#include "interpose/marshal/vector.h"

#include <sys/uio.h>

#include <algorithm>
#include <vector>

namespace pmi {
namespace {

std::vector<iovec> load_vector(Gather& gather, uint64_t address, uint64_t count) {
    std::vector<iovec> entries(count);
    auto bytes = std::as_writable_bytes(std::span(entries));
    if (gather.read_guest(address, bytes) != bytes.size()) gather.refuse(-EFAULT);
    return entries;
}

uint64_t base_of(const iovec& entry) { return reinterpret_cast<uint64_t>(entry.iov_base); }

bool has_negative_length(const std::vector<iovec>& entries) {
    return std::any_of(entries.begin(), entries.end(), [](const iovec& e) { return static_cast<int64_t>(e.iov_len) < 0; });
}

// What is done with a part that is there depends on what it goes to.
void check_buffers(Gather& gather, const std::vector<iovec>& entries, Direction direction) {
    uint64_t total = 0;
    for (const iovec& entry : entries) {
        if (entry.iov_len > kMaxTransfer - total) return gather.go_home("a transfer that is too large to be forwarded");
        total += entry.iov_len;
        if (gather.readable_prefix(base_of(entry), entry.iov_len) < entry.iov_len)
            return gather.go_home("a buffer of which a part is not there");
        if (direction == Direction::Out) gather.check_writable(base_of(entry), entry.iov_len);
    }
}

// The array as the deputy will see it: lengths now, addresses by relocation.
uint32_t put_array(Gather& gather, const std::vector<iovec>& entries) {
    std::vector<iovec> blank = entries;
    for (iovec& entry : blank) entry.iov_base = nullptr;
    return gather.put_in(std::as_bytes(std::span(blank)));
}

void read_buffers(Gather& gather, const std::vector<iovec>& entries, const LaidVector& laid) {
    if (gather.settled()) return;
    ByteBuffer bytes(laid.size);
    uint64_t at = 0;
    for (const iovec& entry : entries) {
        auto piece = std::span(bytes).subspan(at, entry.iov_len);
        if (gather.read_guest(base_of(entry), piece) != piece.size()) return gather.refuse(-EFAULT);
        at += entry.iov_len;
    }
    gather.fill(laid.area, std::move(bytes));
}

void write_buffers_back(Gather& gather, const std::vector<iovec>& entries, const LaidVector& laid) {
    uint64_t at = laid.area;
    for (const iovec& entry : entries) {
        gather.write_back({static_cast<uint32_t>(at), base_of(entry), static_cast<uint32_t>(entry.iov_len), true});
        at += entry.iov_len;
    }
}

void point_entries(Gather& gather, const std::vector<iovec>& entries, const LaidVector& laid) {
    uint64_t at = laid.area;
    for (size_t i = 0; i < entries.size(); i++) {
        if (entries[i].iov_len == 0) continue;
        gather.point_at(static_cast<uint32_t>(laid.array + i * sizeof(iovec)), static_cast<uint32_t>(at));
        at += entries[i].iov_len;
    }
}

}  // namespace

LaidVector lay_vector(Gather& gather, uint64_t address, uint64_t count, Direction direction) {
    LaidVector laid;
    std::vector<iovec> entries = load_vector(gather, address, count);
    if (gather.settled()) return laid;
    if (has_negative_length(entries)) {  // the kernel gives EINVAL before it looks at any address
        laid.array = put_array(gather, entries);
        return laid;
    }
    check_buffers(gather, entries, direction);
    if (gather.settled()) return laid;
    for (const iovec& entry : entries) laid.size += entry.iov_len;
    laid.array = put_array(gather, entries);
    laid.area = gather.reserve(laid.size, entries.empty() ? 0 : base_of(entries.front()));
    point_entries(gather, entries, laid);
    if (direction == Direction::In)
        read_buffers(gather, entries, laid);
    else
        write_buffers_back(gather, entries, laid);
    return laid;
}

void move_vector(Gather& gather, unsigned i, const Arg& as, Direction direction) {
    uint64_t count = static_cast<uint32_t>(gather.arg(as.len.arg));
    if (count > kMaxVector) return gather.set_arg(i, kBadAddress);  // EINVAL, before it is looked at
    if (count == 0) return;
    LaidVector laid = lay_vector(gather, gather.arg(i), count, direction);
    gather.point_arg(i, laid.array);
    if (direction == Direction::Out) gather.send_back({laid.area, static_cast<uint32_t>(laid.size), OutWhen::Result, 1, 0});
}

}  // namespace pmi

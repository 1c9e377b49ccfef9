// The reply written to guest memory. Only the places that flatten() chose are written, whatever the reply
// holds.
#include <algorithm>

#include "interpose/marshal/flatten.h"

namespace pmi {
namespace {

// The bytes of `reply` that stand at `back`'s arena offset; empty where the call gave none.
std::span<const std::byte> bytes_for(const CopyBack& back, const Reply& reply, size_t& cursor) {
    for (size_t n = 0; n < reply.out.size(); n++) {
        const Piece& data = reply.out[(cursor + n) % reply.out.size()];
        if (back.offset < data.offset || back.offset - data.offset >= data.bytes.size()) continue;
        cursor = (cursor + n) % reply.out.size();
        auto from = data.bytes.subspan(back.offset - data.offset);
        return from.first(std::min<size_t>(from.size(), back.size));
    }
    return {};
}

// What stood at `offset` when the call was sent; empty where nothing was.
std::span<const std::byte> bytes_sent(const Call& call, uint32_t offset) {
    for (const Piece& in : call.in)
        if (offset >= in.offset && offset - in.offset < in.bytes.size()) return in.bytes.subspan(offset - in.offset);
    return {};
}

struct Store {
    uint64_t address;
    std::span<const std::byte> bytes;
};

// Leaves out what is unchanged at both ends, so that memory which the kernel did not write is not written
// here.
Store changed_part(Store store, std::span<const std::byte> before) {
    size_t common = std::min(store.bytes.size(), before.size());
    auto [now, old] = std::mismatch(store.bytes.begin(), store.bytes.begin() + static_cast<ptrdiff_t>(common), before.begin());
    auto same = static_cast<size_t>(now - store.bytes.begin());
    size_t end = store.bytes.size();
    while (end > same && end <= before.size() && store.bytes[end - 1] == before[end - 1]) end--;
    return {store.address + same, store.bytes.subspan(same, end - same)};
}

}  // namespace

int64_t apply(const Flattened& sent, const Reply& reply, GuestMemory& memory) {
    int64_t transferred = 0;
    size_t cursor = 0;
    for (const CopyBack& back : sent.back) {
        if (reply.result < back.least_result) continue;
        Store store{back.address, bytes_for(back, reply, cursor)};
        if (back.changed) store = changed_part(store, bytes_sent(sent.call, back.offset));
        if (store.bytes.empty()) continue;
        size_t written = memory.write(store.address, store.bytes);
        if (back.partial) transferred += static_cast<int64_t>(written);
        if (written == store.bytes.size() || back.may_fail) continue;
        return back.partial && transferred > 0 ? std::min(transferred, reply.result) : -EFAULT;
    }
    return reply.result;
}

}  // namespace pmi

#include "remote/wire/memory_frame.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace pmi {

MemoryRun StreamView::run(size_t i) const {
    MemoryRun r;
    std::memcpy(&r, run_bytes.data() + i * sizeof r, sizeof r);
    return r;
}

namespace {

Status check_offer(const StreamView& view) {
    constexpr uint64_t kPageSize = 4096, kHashSize = 16;
    if (view.head.offered != StreamKind::Pages && view.head.offered != StreamKind::FileData)
        return fail("an offer of {}", static_cast<uint32_t>(view.head.offered));
    uint64_t total = 0;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun r = view.run(i);
        bool fits = r.size > 0 && r.size <= kMemoryMessage && r.size % kPageSize == 0 && r.where % kPageSize == 0 &&
                    r.where + r.size > r.where;
        if (!fits) return fail("an offer of {} bytes at {:#x}", r.size, r.where);
        total += r.size;
    }
    if (total > kMemoryMessage || view.payload.size() != total / kPageSize * kHashSize)
        return fail("an offer of {} bytes with {} of hashes", total, view.payload.size());
    return {};
}

// In order and apart from each other: they are the keys of sets.
Status check_later(const StreamView& view) {
    constexpr uint64_t kPageSize = 4096;
    uint64_t last = 0;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun r = view.run(i);
        bool fits =
            r.size > 0 && r.size % kPageSize == 0 && r.where % kPageSize == 0 && r.where >= last && r.where + r.size > r.where;
        if (!fits) return fail("pages that come later, {} bytes at {:#x}", r.size, r.where);
        last = r.where + r.size;
    }
    return {};
}

}  // namespace

Expected<StreamView> parse_stream_message(std::span<const std::byte> message) {
    StreamView view{};
    if (message.size() < sizeof view.head) return fail("a stream message of {} bytes is too short", message.size());
    std::memcpy(&view.head, message.data(), sizeof view.head);
    message = message.subspan(sizeof view.head);
    if (view.head.kind < StreamKind::Image || view.head.kind > kLastStreamKind)
        return fail("a stream message of unknown kind {}", static_cast<uint32_t>(view.head.kind));
    if (view.head.runs > kMaxRuns || message.size() < view.head.runs * sizeof(MemoryRun))
        return fail("a stream message with {} runs has {} bytes", view.head.runs, message.size());
    view.run_bytes = message.first(view.head.runs * sizeof(MemoryRun));
    view.payload = message.subspan(view.run_bytes.size());
    if (view.head.kind == StreamKind::Offer) TRY(check_offer(view));
    if (view.head.kind == StreamKind::Later) TRY(check_later(view));
    bool memory = view.head.kind == StreamKind::Pages || view.head.kind == StreamKind::FileData;
    if (!memory) return view;
    uint64_t total = 0;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun r = view.run(i);
        if (r.size > view.payload.size() || r.where + r.size < r.where) return fail("a run of {} bytes at {:#x}", r.size, r.where);
        total += r.size;
    }
    if (total != view.payload.size()) return fail("runs of {} bytes in a message that holds {}", total, view.payload.size());
    return view;
}

std::vector<std::byte> make_stream_message(StreamKind kind, int32_t pid, std::span<const MemoryRun> runs,
                                           std::span<const std::byte> payload) {
    StreamHead head{kind, static_cast<uint32_t>(runs.size()), pid, {}};
    std::vector<std::byte> out(sizeof head + runs.size_bytes() + payload.size());
    std::memcpy(out.data(), &head, sizeof head);
    if (!runs.empty()) std::memcpy(out.data() + sizeof head, runs.data(), runs.size_bytes());
    if (!payload.empty()) std::memcpy(out.data() + sizeof head + runs.size_bytes(), payload.data(), payload.size());
    return out;
}

StreamKind& offer_of(std::vector<std::byte>& message) { return reinterpret_cast<StreamHead*>(message.data())->offered; }

Error failure_of(const StreamView& view) {
    constexpr size_t kMostText = 400;
    return fail("{}", std::string(reinterpret_cast<const char*>(view.payload.data()), std::min(view.payload.size(), kMostText)));
}

}  // namespace pmi

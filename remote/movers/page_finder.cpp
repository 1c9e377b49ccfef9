#include "remote/movers/page_finder.h"

#include <algorithm>

namespace pmi {
namespace {

constexpr uint64_t kTrial = 2048;     // pages, before it is judged
constexpr uint64_t kWorthwhile = 16;  // one of so many

}  // namespace

bool PageFinder::wants(StreamKind kind) const {
    if (kind == StreamKind::FileData) return true;
    return keeps_pages_ && (asked_ < kTrial || found_ * kWorthwhile > asked_);
}

Status PageFinder::ask(StreamKind kind, int32_t pid, std::span<const MemoryRun> runs, std::span<const std::byte* const> pages,
                       Stream& stream) {
    std::vector<PageHash> hashes;
    hashes.reserve(pages.size());
    for (const std::byte* page : pages) hashes.push_back(hash_page({page, kStoredPage}, key_));
    auto offer = make_stream_message(StreamKind::Offer, pid, runs, std::as_bytes(std::span(hashes)));
    offer_of(offer) = kind;
    return stream.send(offer);
}

Expected<std::vector<bool>> PageFinder::answer(StreamKind kind, size_t pages, Stream& stream,
                                               const std::function<Status()>& between) {
    TRY_ASSIGN(auto message, receive_while(stream, kStreamSendTimeoutMs, between));
    TRY_ASSIGN(StreamView view, parse_stream_message(message->bytes()));
    if (view.head.kind == StreamKind::Failed) return failure_of(view);
    if (view.head.kind != StreamKind::Found || view.payload.size() != pages)
        return fail("an answer of {} bytes for {} pages", view.payload.size(), pages);
    std::vector<bool> found(pages);
    std::transform(view.payload.begin(), view.payload.end(), found.begin(), [](std::byte b) { return b != std::byte{0}; });
    if (kind == StreamKind::Pages) {
        asked_ += pages;
        found_ += static_cast<uint64_t>(std::count(found.begin(), found.end(), true));
    }
    return found;
}

}  // namespace pmi

#include "remote/transport/sent_frames.h"

namespace pmi {
namespace {

constexpr size_t kSpares = 12;
constexpr size_t kSpareSize = 144u << 10;  // a part of a large one

}  // namespace

SentFrames::Bytes SentFrames::buffer() {
    std::lock_guard guard(lock_);
    if (spare_.empty()) return std::make_shared<ByteBuffer>();
    Bytes taken = std::move(spare_.back());
    spare_.pop_back();
    taken->clear();
    return taken;
}

Status SentFrames::keep(Bytes frame) {
    std::lock_guard guard(lock_);
    if (bytes_ > 0 && bytes_ + frame->size() > kMaxSentBytes)
        return fail_code(ENOBUFS, "call channel: {} bytes wait for the peer", bytes_);
    bytes_ += frame->size();
    frames_.push_back(std::move(frame));
    return {};
}

size_t SentFrames::unacknowledged_bytes() const {
    std::lock_guard guard(lock_);
    return bytes_;
}

Status SentFrames::acknowledge(uint64_t number) {
    std::lock_guard guard(lock_);
    // Older than what is known: it was sealed before a cut, and came again.
    if (number <= acknowledged_) return {};
    if (number - acknowledged_ > frames_.size())
        return fail_code(EBADMSG, "call channel: the peer has received frame {} of {}", number, acknowledged_ + frames_.size());
    for (; acknowledged_ < number; acknowledged_++) {
        Bytes done = std::move(frames_.front());
        frames_.pop_front();
        bytes_ -= done->size();
        // A sender that still holds it would find it changed.
        if (done.use_count() == 1 && done->capacity() <= kSpareSize && spare_.size() < kSpares) spare_.push_back(std::move(done));
    }
    return {};
}

Expected<std::vector<SentFrames::Bytes>> SentFrames::after(uint64_t number) const {
    std::lock_guard guard(lock_);
    if (number < acknowledged_ || number - acknowledged_ > frames_.size())
        return fail_code(EBADMSG, "call channel: the peer has received frame {}; {} to {} are here", number, acknowledged_ + 1,
                         acknowledged_ + frames_.size());
    auto first = frames_.begin() + static_cast<std::ptrdiff_t>(number - acknowledged_);
    return std::vector<Bytes>(first, frames_.end());
}

}  // namespace pmi

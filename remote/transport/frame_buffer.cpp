#include "remote/transport/frame_buffer.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace pmi {

namespace {

constexpr size_t kLengthField = 4;
constexpr size_t kUsualSize = 64u << 10;
constexpr size_t kKeptSize = 1u << 20;  // a buffer that grew beyond this is given back after its frame

}  // namespace

std::span<std::byte> FrameBuffer::room() {
    if (begin_ > 0 && bytes_.size() - end_ < kUsualSize / 2) {
        std::memmove(bytes_.data(), bytes_.data() + begin_, available());
        end_ -= begin_;
        begin_ = 0;
    }
    if (bytes_.size() - end_ < kUsualSize / 2) {
        size_t doubled = std::max(kUsualSize, bytes_.size() * 2);
        size_t whole_frame = std::max(kUsualSize, wanted_ + kUsualSize);
        bytes_.resize(std::max(std::min(doubled, whole_frame), end_ + kUsualSize / 2));
    }
    // Of a large frame nothing but its rest: what came behind it would have to be moved to the front.
    size_t most = wanted_ > std::max(kUsualSize, available()) ? wanted_ - available() : bytes_.size();
    return std::span(bytes_).subspan(end_, std::min(most, bytes_.size() - end_));
}

void FrameBuffer::filled(size_t count) {
    PMI_ASSERT(count <= bytes_.size() - end_);
    end_ += count;
}

void FrameBuffer::consume(size_t count) {
    begin_ += count;
    wanted_ = 0;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (bytes_.size() > kKeptSize) bytes_ = ByteBuffer(kUsualSize);
}

Expected<std::optional<uint8_t>> FrameBuffer::next(ByteBuffer& body) {
    if (available() < kLengthField) return std::optional<uint8_t>();
    auto here = std::span<const std::byte>(bytes_.data(), bytes_.size()).subspan(begin_, available());
    uint32_t length = 0;
    std::memcpy(&length, here.data(), kLengthField);
    size_t overhead = sealer_.overhead();
    if (length > kMaxFrame || length < 1 + overhead || body.size() > kMaxFrame)
        return fail_code(EBADMSG, "call channel: frame of {} bytes", length);
    wanted_ = kLengthField + length;
    if (here.size() < wanted_) return std::optional<uint8_t>();
    // Opened where it is to be: another copy of what is large takes as long as opening it.
    auto text = here.subspan(kLengthField, length - overhead);
    size_t before = body.size();
    body.resize(before + text.size());
    std::array<std::byte, kSealOverhead> tag{};
    std::memcpy(tag.data(), text.data() + text.size(), overhead);
    if (!sealer_.open(here.first(kLengthField), text, std::span(body).subspan(before), tag))
        return fail_code(EBADMSG, "call channel: a frame of {} bytes was not sealed by our peer", length);
    auto type = static_cast<uint8_t>(body[body.size() - 1]);
    body.resize(body.size() - 1);
    consume(wanted_);
    return std::optional(type);
}

}  // namespace pmi

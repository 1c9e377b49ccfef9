// Bytes that are about to be filled. As std::vector<std::byte>, but new bytes are left as they are, where that clears them:
// for what is large that costs as much as filling it. Not copied by accident either; a move leaves them where they are.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace pmi {

class ByteBuffer {
  public:
    ByteBuffer() = default;
    explicit ByteBuffer(size_t size) { resize(size); }
    ByteBuffer(size_t size, std::byte value) : ByteBuffer(size) { std::fill(begin(), end(), value); }
    explicit ByteBuffer(std::span<const std::byte> bytes) { append(bytes); }
    ByteBuffer(ByteBuffer&& other) noexcept { swap(other); }
    ByteBuffer& operator=(ByteBuffer&& other) noexcept {
        swap(other);
        return *this;
    }
    ~ByteBuffer() = default;
    ByteBuffer copy() const { return ByteBuffer(std::span(data(), size_)); }

    std::byte* data() { return bytes_.get(); }
    const std::byte* data() const { return bytes_.get(); }
    size_t size() const { return size_; }
    size_t capacity() const { return capacity_; }
    bool empty() const { return size_ == 0; }
    std::byte* begin() { return data(); }
    std::byte* end() { return data() + size_; }
    const std::byte* begin() const { return data(); }
    const std::byte* end() const { return data() + size_; }
    std::byte& operator[](size_t i) { return data()[i]; }
    const std::byte& operator[](size_t i) const { return data()[i]; }

    void reserve(size_t capacity) {
        if (capacity <= capacity_) return;
        auto more = std::make_unique_for_overwrite<std::byte[]>(capacity);
        if (size_ > 0) std::memcpy(more.get(), data(), size_);
        bytes_ = std::move(more);
        capacity_ = capacity;
    }
    void resize(size_t size) {
        if (size > capacity_) reserve(std::max(size, 2 * size_));
        size_ = size;
    }
    // Not of its own.
    void append(std::span<const std::byte> bytes) {
        if (bytes.empty()) return;
        resize(size_ + bytes.size());
        std::memcpy(end() - bytes.size(), bytes.data(), bytes.size());
    }
    void clear() { size_ = 0; }

    friend bool operator==(const ByteBuffer& a, const ByteBuffer& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

  private:
    void swap(ByteBuffer& other) noexcept {
        std::swap(bytes_, other.bytes_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }
    std::unique_ptr<std::byte[]> bytes_;
    size_t size_ = 0, capacity_ = 0;
};

}  // namespace pmi

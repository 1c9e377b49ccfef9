// Buffers for messages that come one after the other: memory that is used again costs no page faults. They may outlive the
// pool, and be given back by any thread.
#pragma once
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace pmi {

class BufferPool {
    struct Shelf {
        std::mutex mutex;
        std::vector<std::pair<std::unique_ptr<std::byte[]>, size_t>> free;
        size_t bytes = 0, most;
        explicit Shelf(size_t limit) : most(limit) {}
    };

  public:
    class Buffer {
      public:
        Buffer() = default;
        Buffer(std::unique_ptr<std::byte[]> memory, size_t size, std::shared_ptr<Shelf> shelf)
            : memory_(std::move(memory)), size_(size), shelf_(std::move(shelf)) {}
        Buffer(Buffer&&) noexcept = default;
        Buffer& operator=(Buffer&& o) noexcept {
            give_back();
            memory_ = std::move(o.memory_), size_ = o.size_, shelf_ = std::move(o.shelf_);
            return *this;
        }
        ~Buffer() { give_back(); }
        std::byte* data() const { return memory_.get(); }
        size_t size() const { return size_; }

      private:
        void give_back() {
            if (!memory_ || !shelf_) return;
            std::lock_guard lock(shelf_->mutex);
            if (shelf_->bytes + size_ > shelf_->most) return;
            shelf_->bytes += size_;
            shelf_->free.emplace_back(std::move(memory_), size_);
        }
        std::unique_ptr<std::byte[]> memory_;
        size_t size_ = 0;
        std::shared_ptr<Shelf> shelf_;
    };

    // Keeps at most so many bytes that nobody uses.
    explicit BufferPool(size_t most) : shelf_(std::make_shared<Shelf>(most)) {}

    // At least `size` bytes, not cleared.
    Buffer take(size_t size) {
        {
            std::lock_guard lock(shelf_->mutex);
            // The last one that was given back: most of it is in the CPU's cache.
            auto& free = shelf_->free;
            auto it =
                std::find_if(free.rbegin(), free.rend(), [&](const auto& b) { return b.second >= size && b.second / 4 <= size; });
            if (it != free.rend()) {
                Buffer found(std::move(it->first), it->second, shelf_);
                shelf_->bytes -= found.size();
                free.erase(std::next(it).base());
                return found;
            }
        }
        return {std::unique_ptr<std::byte[]>(new std::byte[size]), size, shelf_};
    }

  private:
    std::shared_ptr<Shelf> shelf_;
};

}  // namespace pmi

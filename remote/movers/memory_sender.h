// Packs runs of a process's memory into stream messages of about kMemoryMessage bytes, read straight from the process
// into the message.
#pragma once
#include <sys/types.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "remote/movers/mover.h"
#include "remote/movers/page_finder.h"
#include "remote/transport/buffer_pool.h"
#include "remote/transport/stream.h"
#include "remote/wire/memory_frame.h"
#include "runtime/tracee/memory.h"

namespace pmi {

class MemorySender {
  public:
    enum class Zeros { Skip, Send };
    MemorySender(const SendOrder& order, Stream& stream)
        : memory_(order.pid), home_pid_(order.image->pid()), stream_(stream), between_(order.between), finder_(order.finder) {}
    // So much more is going to be added, or found to be zeros: for who watches.
    void expect(uint64_t bytes) { left_ += bytes; }

    // `where` is what the run is called over there; `address` is where it is read. Sizes are whole pages.
    Status add(StreamKind kind, uint64_t where, uint64_t address, uint64_t size, Zeros zeros);
    // The same, of what may vanish meanwhile: false for a page that is not wanted or not there any more, which is left out.
    // `read` fills as much as it can and says which pages it has got.
    using Read = std::function<Status(uint64_t offset, std::span<std::byte> to, std::vector<bool>& there)>;
    using Wanted = std::function<bool(uint64_t where, std::span<const std::byte> page, bool is_there)>;
    Status add_some(StreamKind kind, uint64_t where, uint64_t size, const Read& read, const Wanted& wanted);
    Status add_bytes(StreamKind kind, uint64_t where, std::span<const std::byte> bytes);
    Status flush();
    void count_zero_page() { totals_.zero_pages++; }
    const MoveTotals& totals() const { return totals_; }
    uint64_t left() const { return left_; }

  private:
    Expected<std::span<std::byte>> room_for(StreamKind kind, uint64_t wanted);
    Status leave_out_found(StreamKind kind, uint64_t where, std::span<const std::byte> bytes, std::vector<bool>& wanted);
    Status wait_for_room();
    void done_with(uint64_t bytes) { left_ -= std::min(left_, bytes); }
    void keep(uint64_t where, std::span<const std::byte> bytes);
    std::byte* payload() const { return buffer_.data() + kHeadRoom; }

    // Memory is read straight into the message: in front of it there is room for what describes it.
    static constexpr size_t kMaxRunsAtOnce = 4096;
    static constexpr size_t kHeadRoom = sizeof(StreamHead) + kMaxRunsAtOnce * sizeof(MemoryRun);

    RemoteMemory memory_;
    int32_t home_pid_;
    Stream& stream_;
    std::function<Status(const MoveTotals& sent, uint64_t left)> between_;
    PageFinder* finder_;
    uint64_t left_ = 0;
    StreamKind kind_ = StreamKind::Pages;
    std::vector<MemoryRun> runs_;
    BufferPool pool_{kStreamQueueBytes + 4 * kMemoryMessage};
    BufferPool::Buffer buffer_;  // of the message that is being filled
    size_t filled_ = 0;          // bytes of its payload
    MoveTotals totals_{};
};

bool is_zero(std::span<const std::byte> bytes);

}  // namespace pmi

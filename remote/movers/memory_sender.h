// Packs runs of a process's memory into stream messages of about kMemoryMessage bytes, read straight from the process
// into the message. Where the destination may have pages already (page_finder.h), it is asked before a message is sent; while
// it looks, the next message is filled.
#pragma once
#include <sys/types.h>

#include <algorithm>
#include <deque>
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
    // `read` fills as much as it can and says which pages it has got.
    using Read = std::function<Status(uint64_t offset, std::span<std::byte> to, std::vector<bool>& there)>;
    Status add(StreamKind kind, uint64_t where, uint64_t size, const Read& read, Zeros zeros);
    // The same, of what may vanish meanwhile: false for a page that is not wanted or not there any more, which is left out.
    using Wanted = std::function<bool(uint64_t where, std::span<const std::byte> page, bool is_there)>;
    Status add_some(StreamKind kind, uint64_t where, uint64_t size, const Read& read, const Wanted& wanted);
    Status add_bytes(StreamKind kind, uint64_t where, std::span<const std::byte> bytes);
    Status flush();
    void count_zero_page() { totals_.zero_pages++; }
    const MoveTotals& totals() const { return totals_; }
    uint64_t left() const { return left_; }

  private:
    // A message that is being filled, or waits for an answer. Memory is read straight into it: in front of it there is room for
    // what describes it.
    struct Batch {
        StreamKind kind = StreamKind::Pages;
        std::vector<MemoryRun> runs;
        BufferPool::Buffer buffer;
        size_t filled = 0;  // bytes of its payload
        std::byte* payload() const { return buffer.data() + kHeadRoom; }
        // `bytes` are in the message's room, at its end or behind a gap.
        void keep(uint64_t where, std::span<const std::byte> bytes);
    };
    Expected<std::span<std::byte>> room_for(StreamKind kind, uint64_t wanted);
    Status dispatch();
    Status ask(const Batch& batch);
    Status send_oldest();
    Status send(Batch batch);
    Status wait_for_room();
    Status look_up() { return between_ ? between_(totals_, left_) : Status(); }
    void done_with(uint64_t bytes) { left_ -= std::min(left_, bytes); }

    static constexpr size_t kMaxRunsAtOnce = 4096;
    static constexpr size_t kHeadRoom = sizeof(StreamHead) + kMaxRunsAtOnce * sizeof(MemoryRun);
    // Less than a message may hold: of a small program too one is put in place while the next is read.
    static constexpr size_t kBatch = 256u << 10;  // bytes
    static constexpr size_t kMaxAsked = 8;        // batches

    RemoteMemory memory_;
    int32_t home_pid_;
    Stream& stream_;
    std::function<Status(const MoveTotals& sent, uint64_t left)> between_;
    PageFinder* finder_;
    uint64_t left_ = 0;
    BufferPool pool_{kStreamQueueBytes + 4 * kMemoryMessage};
    Batch filling_;
    std::deque<Batch> asked_;  // of which the destination has been asked
    MoveTotals totals_{};
};

bool is_zero(std::span<const std::byte> bytes);

}  // namespace pmi

// The source's end of a post-copy: the program runs at the destination already, and its private anonymous memory follows.
//
//   push     every page once, in the order of addresses, on a stream (Pages; Drop: zeros; End)
//   demand   what the program needs now, on a connection of its own, which outlives cuts (page_demand.h)
//
// The source's memory stays as it is until the destination has all of it: pages are read from there as they are wanted,
// through a descriptor of the address space itself, which shows nothing else even when the process starts another program.
// Each of the two has a thread. What was demanded is not pushed as well, if it is not on its way already; what comes twice
// does no harm (page_fetcher.h). When the push is cut off, the destination asks for the rest.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "remote/movers/page_lines.h"
#include "remote/transport/buffer_pool.h"
#include "remote/wire/memory_frame.h"
#include "remote/wire/page_demand.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/memory/page_bits.h"

namespace pmi {

class PageServer {
  public:
    // Pages of process `pid` that the destination has not got. Questions are answered from now on.
    static Expected<std::unique_ptr<PageServer>> start(pid_t pid, int32_t home_pid, const PageSet& later, PageLines lines);
    ~PageServer();
    // When the program runs there: it does not wait for this.
    void begin_push();

    struct Counts {
        uint64_t pages, sent, demanded;
    };
    Counts counts() const { return {pages_, sent_, demanded_}; }

  private:
    PageServer(Fd memory, int32_t home_pid, const PageSet& later, PageLines lines)
        : memory_(std::move(memory)),
          home_pid_(home_pid),
          lines_(std::move(lines)),
          pages_(later.bytes() / 4096),
          whole_(later),
          unsent_(later) {}
    void answer_all();
    Status answer(const PageRange& asked);
    void push_all();
    Expected<bool> push_some();
    bool wait_for_room();
    std::vector<PageRun> next_runs();
    Status read(uint64_t address, std::span<std::byte> to) const;
    void note_sent(uint64_t start, uint64_t end);

    const Fd memory_;
    const int32_t home_pid_;
    PageLines lines_;
    const uint64_t pages_;
    const PageBits whole_;
    std::atomic<uint64_t> sent_{0}, demanded_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable push_changed_;
    bool push_begun_ = false;
    PageBits unsent_;
    uint64_t pushed_to_ = 0;  // address
    BufferPool pool_{kStreamQueueBytes + 4 * kMemoryMessage};
    std::thread demand_, push_;
};

}  // namespace pmi

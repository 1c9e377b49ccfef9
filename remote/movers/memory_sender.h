// Packs runs of a process's memory into stream messages of about kMemoryMessage bytes, read straight from the process
// into the message.
#pragma once
#include <sys/types.h>

#include <memory>
#include <vector>

#include "remote/transport/stream.h"
#include "remote/wire/memory_frame.h"
#include "runtime/tracee/memory.h"

namespace pmi {

class MemorySender {
  public:
    enum class Zeros { Skip, Send };
    MemorySender(pid_t pid, int32_t home_pid, Stream& stream) : memory_(pid), home_pid_(home_pid), stream_(stream) {}

    // `where` is what the run is called over there; `address` is where it is read. Sizes are whole pages.
    Status add(StreamKind kind, uint64_t where, uint64_t address, uint64_t size, Zeros zeros);
    Status add_bytes(StreamKind kind, uint64_t where, std::span<const std::byte> bytes);
    Status flush();
    void count_zero_page() { totals_.zero_pages++; }
    const MoveTotals& totals() const { return totals_; }

  private:
    Status room_for(StreamKind kind, size_t size);
    void note_run(uint64_t where, size_t size);
    void keep_nonzero(uint64_t where, size_t begin, size_t size);

    RemoteMemory memory_;
    int32_t home_pid_;
    Stream& stream_;
    StreamKind kind_ = StreamKind::Pages;
    std::vector<MemoryRun> runs_;
    std::vector<std::byte> bytes_;
    MoveTotals totals_{};
};

bool is_zero(std::span<const std::byte> bytes);

}  // namespace pmi

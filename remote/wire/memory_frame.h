// What travels on a session's stream: the image, then memory. One message is a StreamHead, `runs` descriptions, and
// the bytes of all runs one behind the other. All numbers are hostile until parse() has checked that they agree
// with the message's length; that a run lies within the image's regions is checked by who installs it.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

enum class StreamKind : uint32_t {
    Image = 1,  // payload: wire::Image. Either direction.
    Need,       // receiver of an image -> sender: runs (without bytes) of the address space to be sent whole
    Pages,      // runs are addresses
    FileData,   // runs are file index << 48 | offset
    End,        // all has been sent; payload: MoveTotals
    Ready,      // destination -> source: installed, frozen, waits for Go; payload: ReadyNote
    Failed,     // either: the move is off; payload: text
    // While the program still runs at the source:
    Layout,     // payload: wire::Image with the regions and files as they are now
    Drop,       // runs (without bytes) of pages that are the program's own no more: they show zeros, or their file
    RoundEnd,   // all of a round has been sent
    RoundAck,   // the answer: all of it is installed
};

constexpr size_t kMemoryMessage = 1u << 20;  // bytes of memory in one message
constexpr uint32_t kMaxRuns = 65536;

struct StreamHead {
    StreamKind kind;
    uint32_t runs;
    int32_t pid;
    uint32_t reserved;
};
struct MemoryRun {
    uint64_t where;
    uint64_t size;  // bytes
};
struct MoveTotals {
    uint64_t bytes, pages, zero_pages;
};

struct ReadyNote {
    uint32_t tracks;  // 1: the node will know which pages the program has written there
    uint32_t reserved;
};

struct StreamView {
    StreamHead head;
    std::span<const std::byte> run_bytes;  // MemoryRun[head.runs], perhaps not aligned
    std::span<const std::byte> payload;
    MemoryRun run(size_t i) const;
};
Expected<StreamView> parse_stream_message(std::span<const std::byte> message);
std::vector<std::byte> make_stream_message(StreamKind kind, int32_t pid, std::span<const MemoryRun> runs,
                                           std::span<const std::byte> payload);

constexpr uint64_t file_position(uint32_t file, uint64_t offset) { return uint64_t{file} << 48 | offset; }

}  // namespace pmi

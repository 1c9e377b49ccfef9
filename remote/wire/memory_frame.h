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
    Layout,    // payload: wire::Image with the regions and files as they are now
    Drop,      // runs (without bytes) of pages that are the program's own no more: they show zeros, or their file
    RoundEnd,  // all of a round has been sent
    RoundAck,  // the answer: all of it is installed
    // While the program runs on a node, and is to leave it: home -> node -> home, then home asks for the next round or freezes.
    Round,    // send what was written; payload: RoundAsk. Answered by Layout, memory, Drop, RoundEnd, or by
    NoRound,  // nothing is gained by it, or it can't be done
    // To a destination that keeps pages of earlier stays (page_store.h):
    Offer,  // runs (without bytes) of whole pages, kMemoryMessage of them at most, addresses or as in FileData (`offered`);
            // payload: PageHash of each
    Found,  // the answer; payload: a byte for each page, 1: it was found, and is installed
    // Memory that comes when the program already runs at the destination (page_server.h), before Layout or Image:
    AskLater,  // make ready for it
    LaterAt,   // the answer; payload: LaterPorts
    Later,     // between Image and End: runs (without bytes) of pages that the destination has not got, and that come later
};
constexpr StreamKind kLastStreamKind = StreamKind::Later;

// Of a Need for another node, a run of size 0: what it has nothing of, or what it has from rounds is behind by.
constexpr uint64_t kAllOfIt = 0, kWhatRoundsLeft = 1;
constexpr size_t kMemoryMessage = 1u << 20;  // bytes of memory in one message
constexpr uint32_t kMaxRuns = 65536;

struct StreamHead {
    StreamKind kind;
    uint32_t runs;
    int32_t pid;
    StreamKind offered;  // of an Offer: Pages or FileData
};
struct MemoryRun {
    uint64_t where;
    uint64_t size;  // bytes
};
struct MoveTotals {
    uint64_t bytes, pages, zero_pages, found_pages;
    MoveTotals& operator+=(const MoveTotals& more) {
        bytes += more.bytes, pages += more.pages, zero_pages += more.zero_pages, found_pages += more.found_pages;
        return *this;
    }
};

struct ReadyNote {
    uint32_t tracks;  // 1: the node will know which pages the program has written there
    uint32_t reserved;
};

// Where the node waits for home: the connection for pages that are asked for, and the stream for the others.
struct LaterPorts {
    uint16_t demand, push;
};

struct RoundAsk {
    uint32_t for_node;  // 1: another node is where it goes, which has nothing of it before the first round; 0: home
    uint32_t first;     // 1: of this move
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

// What a Failed message says.
Error failure_of(const StreamView& view);
StreamKind& offer_of(std::vector<std::byte>& message);

constexpr uint64_t file_position(uint32_t file, uint64_t offset) { return uint64_t{file} << 48 | offset; }
constexpr uint32_t file_of_position(uint64_t position) { return static_cast<uint32_t>(position >> 48); }
constexpr uint64_t offset_of_position(uint64_t position) { return position & ((uint64_t{1} << 48) - 1); }

}  // namespace pmi

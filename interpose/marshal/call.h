// A forwarded system call as one flat, relocatable thing. The node, which can read the guest's memory, gathers
// everything the call's pointers lead to in an *arena* (offsets instead of addresses); home copies the arena
// into memory of the deputy, adds that memory's base to each relocation, and lets the deputy thread perform the
// call. So home executes without knowing any call's meaning, and all marshalling is on one side.
// These types cross the network: decode() takes hostile bytes and either gives a well-formed value or an Error.
// What is transferred may be large, and is copied as seldom as can be: pieces point to where the bytes are. Both are moved,
// not copied.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "interpose/syscall/row.h"
#include "runtime/base/byte_buffer.h"
#include "runtime/base/error.h"

namespace pmi {

// Limits on what a peer may ask for; a larger call is an Error.
constexpr uint32_t kMaxArena = 256u << 20;  // bytes
constexpr uint32_t kMaxRelocs = 8192;
constexpr uint32_t kMaxRanges = 8192;

// `where` < 6: argument number `where` := base + target. Else: the 8 bytes at arena offset `where - 6`.
struct Reloc {
    uint32_t where;
    uint32_t target;  // arena offset, <= arena_size
};

// Bytes of an arena, in memory of whoever made the call or reply, or in `kept` of it.
struct Piece {
    uint32_t offset;  // in the arena
    std::span<const std::byte> bytes;
};

// Arena bytes to send back. Ranges with OutWhen::Result share out the result in their order: the first
// takes min(size, result * result_unit) bytes, the next what is left, and so on.
struct OutRange {
    uint32_t offset;
    uint32_t size;
    OutWhen when;
    uint32_t result_unit = 1;  // Result, Counted: bytes that one unit stands for
    uint32_t count_at = 0;     // Counted: arena offset of the u32 that says how many units are meant
};

struct Call {
    int32_t nr = 0;
    std::array<uint64_t, 6> args{};
    uint32_t arena_size = 0;  // bytes the deputy must provide (zero-filled where no piece of `in` covers it)
    std::vector<Piece> in;
    std::vector<Reloc> relocs;
    std::vector<OutRange> out;
    std::vector<ByteBuffer> kept;

    void put_in(uint32_t offset, ByteBuffer bytes);
};

struct Reply {
    int64_t result = 0;  // as the kernel gives it: -errno on failure, -512.. -516 when interrupted
    std::vector<Piece> out;
    std::vector<ByteBuffer> kept = {};
};

// As one after the other in `parts`: what precedes the pieces, which is in `head`, and the pieces, where they are.
struct Encoded {
    ByteBuffer head;
    std::vector<std::span<const std::byte>> parts;
    size_t size() const;  // bytes
    ByteBuffer whole() const;
};
Encoded encode(const Call& call);
Encoded encode(const Reply& reply);
// Their pieces point into `bytes`.
Expected<Call> decode_call(std::span<const std::byte> bytes);
Expected<Reply> decode_reply(std::span<const std::byte> bytes);

// Home's part. `memory` is where this process sees the arena (at least call.arena_size bytes), `base` the
// address at which the deputy sees it. lay_out() fills it in and returns the six final arguments;
// collect() tells what goes back after the call gave `result`: it points into the memory.
std::array<uint64_t, 6> lay_out(const Call& call, std::span<std::byte> memory, uint64_t base);
Reply collect(const Call& call, std::span<const std::byte> memory, int64_t result);

}  // namespace pmi

// A forwarded system call as one flat, relocatable thing. The node, which can read the guest's memory, gathers
// everything the call's pointers lead to in an *arena* (offsets instead of addresses); home copies the arena
// into memory of the deputy, adds that memory's base to each relocation, and lets the deputy thread perform the
// call. So home executes without knowing any call's meaning, and all marshalling is on one side.
// These types cross the network: decode() takes hostile bytes and either gives a well-formed value or an Error.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "interpose/syscall/row.h"
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

struct InData {
    uint32_t offset;  // in the arena
    std::vector<std::byte> bytes;
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
    uint32_t arena_size = 0;  // bytes the deputy must provide (zero-filled where no InData covers it)
    std::vector<InData> in;
    std::vector<Reloc> relocs;
    std::vector<OutRange> out;
};

struct OutData {
    uint32_t offset;  // in the arena
    std::vector<std::byte> bytes;
};

struct Reply {
    int64_t result = 0;  // as the kernel gives it: -errno on failure, -512.. -516 when interrupted
    std::vector<OutData> out;
};

std::vector<std::byte> encode(const Call& call);
std::vector<std::byte> encode(const Reply& reply);
Expected<Call> decode_call(std::span<const std::byte> bytes);
Expected<Reply> decode_reply(std::span<const std::byte> bytes);

// Home's part. `memory` is where this process sees the arena (at least call.arena_size bytes), `base` the
// address at which the deputy sees it. lay_out() fills it in and returns the six final arguments;
// collect() picks up what goes back after the call gave `result`.
std::array<uint64_t, 6> lay_out(const Call& call, std::span<std::byte> memory, uint64_t base);
Reply collect(const Call& call, std::span<const std::byte> memory, int64_t result);

}  // namespace pmi

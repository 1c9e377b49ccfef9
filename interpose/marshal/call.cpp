// Home's part: the arena filled in before the call, and what goes back picked up after it. What the deputy's
// kernel wrote is not trusted to be sensible either: every count found in the arena is cut to the range it
// belongs to.
#include "interpose/marshal/call.h"

#include <algorithm>

#include "interpose/marshal/bytes.h"

namespace pmi {
namespace {

struct Interval {
    uint64_t begin, end;
};

constexpr uint32_t kBulk = 256u << 10;

// What needs no zeros: it is overwritten by what comes in, or it is bulk, of which only what the kernel wrote
// goes back. (In a small buffer the kernel leaves gaps between records; those shall not hold bytes of an
// earlier call.)
std::vector<Interval> need_no_zeros(const Call& call) {
    std::vector<Interval> covered;
    for (const Piece& in : call.in) covered.push_back({in.offset, in.offset + in.bytes.size()});
    for (const OutRange& out : call.out)
        if (out.size > kBulk && out.when == OutWhen::Result) covered.push_back({out.offset, uint64_t{out.offset} + out.size});
    std::sort(covered.begin(), covered.end(), [](auto& a, auto& b) { return a.begin < b.begin; });
    return covered;
}

void zero_the_rest(const Call& call, std::span<std::byte> memory) {
    uint64_t at = 0;
    auto zero_until = [&](uint64_t end) {
        if (end > at) std::memset(memory.data() + at, 0, end - at);
    };
    for (const Interval& interval : need_no_zeros(call)) {
        zero_until(interval.begin);
        at = std::max(at, interval.end);
    }
    zero_until(call.arena_size);
}

// Bytes of `range` that go back; `units_left` is what the ranges before left of the result.
uint64_t bytes_to_return(const OutRange& range, std::span<const std::byte> memory, int64_t result, uint64_t& units_left) {
    if (range.when == OutWhen::Always) return range.size;
    if (result < 0) return 0;
    switch (range.when) {
        case OutWhen::IfOk: return range.size;
        case OutWhen::Counted: {
            uint64_t units = load_as<uint32_t>(memory.data() + range.count_at);
            return std::min<uint64_t>(range.size, units * range.result_unit);
        }
        default: break;
    }
    uint64_t whole = range.size / range.result_unit;
    uint64_t units = std::min(units_left, whole);
    units_left -= units;
    return units * range.result_unit;
}

}  // namespace

std::array<uint64_t, 6> lay_out(const Call& call, std::span<std::byte> memory, uint64_t base) {
    PMI_ASSERT(memory.size() >= call.arena_size);
    zero_the_rest(call, memory);
    for (const Piece& in : call.in) copy_bytes(memory.data() + in.offset, in.bytes.data(), in.bytes.size());
    std::array<uint64_t, 6> args = call.args;
    for (const Reloc& reloc : call.relocs) {
        uint64_t address = base + reloc.target;
        if (reloc.where < 6)
            args[reloc.where] = address;
        else
            store_as(memory.data() + reloc.where - 6, address);
    }
    return args;
}

Reply collect(const Call& call, std::span<const std::byte> memory, int64_t result) {
    PMI_ASSERT(memory.size() >= call.arena_size);
    Reply reply;
    reply.result = result;
    uint64_t units_left = result > 0 ? static_cast<uint64_t>(result) : 0;
    for (const OutRange& range : call.out) {
        uint64_t size = bytes_to_return(range, memory, result, units_left);
        if (size == 0) continue;
        reply.out.push_back({range.offset, memory.subspan(range.offset, size)});
    }
    return reply;
}

}  // namespace pmi

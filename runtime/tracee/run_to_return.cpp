#include "runtime/tracee/run_to_return.h"

#include <algorithm>
#include <array>
#include <optional>

#include "interpose/agent/agent.h"
#include "runtime/base/byte_buffer.h"
#include "runtime/tracee/memory.h"
#include "runtime/tracee/return_slot.h"

namespace pmi {
namespace {

constexpr auto kBreakpoint = std::byte{0xcc};  // int3

struct Exchange {
    uint64_t slot = 0, returns_to = 0, breakpoint = 0;
};

// The pages around `address` that can be read: the vDSO's data stands beside it, and can't.
struct Code {
    uint64_t start = 0;
    ByteBuffer bytes;
};
Code read_around(uint64_t address, uint64_t start, uint64_t end, const RemoteMemory& memory) {
    uint64_t page = address / kPage * kPage;
    auto is_readable = [&](uint64_t at) { return memory.count_readable({&at, 1}) == 1; };
    uint64_t first = page;
    while (first > start && is_readable(first - kPage)) first -= kPage;
    Code code{first, ByteBuffer(end - first)};
    code.bytes.resize(memory.read_some(first, code.bytes));
    return code;
}

std::optional<Exchange> plan(pid_t tid, uint64_t start, uint64_t end, const RemoteMemory& memory) {
    auto r = get_registers(tid);
    if (!r || r->rip < start || r->rip >= end || has_shadow_stack(tid)) return std::nullopt;
    Code code = read_around(r->rip, start, end, memory);
    auto breakpoint = std::find(code.bytes.begin(), code.bytes.end(), kBreakpoint);
    auto slot = find_return_slot(std::span(code.bytes.data(), code.bytes.size()), code.start, *r);
    if (!slot || breakpoint == code.bytes.end()) return std::nullopt;
    auto returns_to = memory.get<uint64_t>(*slot);
    std::array<std::byte, 8> before{};
    if (!returns_to || memory.read_some(*returns_to - before.size(), before) != before.size() || !ends_with_call(before))
        return std::nullopt;
    return Exchange{*slot, *returns_to, code.start + static_cast<uint64_t>(breakpoint - code.bytes.begin())};
}

}  // namespace

Expected<bool> run_to_return(pid_t tid, uint64_t start, uint64_t end, InjectedRun& run, StopWaiter& waiter) {
    RemoteMemory memory(tid);
    auto exchange = plan(tid, start, end, memory);
    if (!exchange) return false;
    TRY(memory.put(exchange->slot, exchange->breakpoint));
    TRY(resume(tid));
    auto returned = wait_for_trap(tid, exchange->breakpoint + 1, run, waiter);
    TRY(memory.put(exchange->slot, exchange->returns_to));
    if (!returned) return std::move(returned.error());
    TRY_ASSIGN(Registers r, get_registers(tid));
    r.rip = exchange->returns_to;
    TRY(set_registers(tid, r));
    return true;
}

}  // namespace pmi

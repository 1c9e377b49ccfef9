#include "runtime/tracee/interrupted.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <cstddef>

#include "interpose/preload/timeout_cells.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/preload_notes.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

unsigned long long& argument(Registers& r, unsigned index) {
    switch (index) {
        case 0: return r.rdi;
        case 1: return r.rsi;
        case 2: return r.rdx;
        case 3: return r.r10;
        case 4: return r.r8;
        default: return r.r9;
    }
}

// futex(2) has a relative timeout only in FUTEX_WAIT; the others that wait take an absolute one.
bool futex_wait_is_relative(const Registers& r) { return (r.rsi & FUTEX_CMD_MASK) == FUTEX_WAIT && r.r10 != 0; }
bool nanosleep_is_absolute(const Registers& r) { return r.orig_rax == SYS_clock_nanosleep && (r.rsi & TIMER_ABSTIME); }

struct Where {
    Timeout kind = Timeout::None;
    uint8_t arg = 0;
};

Where timeout_of(const Registers& r, const Row* row) {
    switch (r.orig_rax) {
        case SYS_futex: return futex_wait_is_relative(r) ? Where{Timeout::TimespecRelative, 3} : Where{};
        case SYS_nanosleep: return {Timeout::TimespecRelative, 0};
        case SYS_clock_nanosleep: return nanosleep_is_absolute(r) ? Where{} : Where{Timeout::TimespecRelative, 2};
        default: return row == nullptr ? Where{} : Where{row->timeout, row->timeout_arg};
    }
}

// The whole timeout in ns, negative for "for ever".
Expected<int64_t> duration(Registers& r, Where where, const RemoteMemory& memory) {
    uint64_t value = argument(r, where.arg);
    if (where.kind == Timeout::MillisArg) {
        auto ms = static_cast<int32_t>(value);
        return ms < 0 ? int64_t{-1} : ms * int64_t{1'000'000};
    }
    if (value == 0) return int64_t{-1};
    TRY_ASSIGN(timespec t, memory.get<timespec>(value));
    return t.tv_sec > INT64_MAX / kSecond - 1 ? int64_t{-1} : t.tv_sec * kSecond + t.tv_nsec;
}

}  // namespace

bool has_relative_timeout(const CallArguments& call, const RemoteMemory& memory) {
    const Row* row = find_row(call.nr);
    if (row == nullptr) return true;
    Registers r{};
    r.orig_rax = static_cast<uint64_t>(call.nr);
    for (unsigned i = 0; i < call.args.size(); i++) argument(r, i) = call.args[i];
    Where where = timeout_of(r, row);
    if (where.kind == Timeout::None || where.kind == Timeout::TimespecWritten || where.kind == Timeout::TimevalWritten)
        return false;
    auto whole = duration(r, where, memory);
    return !whole || *whole >= 0;
}

namespace {

// The kernel keeps the deadlines of these itself when a handler has interrupted them.
bool has_restart_block(const Registers& r) {
    return r.orig_rax == SYS_futex || r.orig_rax == SYS_nanosleep || r.orig_rax == SYS_clock_nanosleep;
}

// Where libpmi.so keeps the timeout of this thread's call, which its handler may have to make again; 0: nowhere.
Expected<uint64_t> place_in_preload(const Registers& r, const PendingTimeout& timeout, const RemoteMemory& memory, pid_t tid) {
    if (tid == 0 || has_restart_block(r)) return uint64_t{0};
    TRY_ASSIGN(uint64_t cells, find_in_preload(tid, PMI_TIMEOUT_NOTE));
    if (cells == 0) return uint64_t{0};
    uint64_t cell = cells + static_cast<uint64_t>(tid % PMI_TIMEOUT_CELLS) * sizeof(pmi_timeout_cell);
    TRY_ASSIGN(auto before, memory.get<pmi_timeout_cell>(cell));
    // Another thread with the same remainder may need it still.
    if (before.tid != tid && before.tid != 0 && read_stat(tid, before.tid)) return uint64_t{0};
    TRY(memory.put(cell, pmi_timeout_cell{tid, 0, timeout.deadline_ns, {}}));
    return cell + offsetof(pmi_timeout_cell, left);
}

}  // namespace

Expected<PendingTimeout> settle(Registers& r, int64_t began_ns, RestartBlock block, bool handled, const RemoteMemory& memory) {
    PendingTimeout none;
    auto result = static_cast<int64_t>(r.rax);
    auto nr = static_cast<int64_t>(r.orig_rax);
    if (nr < 0) return none;
    const Row* row = find_row(nr);
    bool bare_eintr = result == -EINTR && row != nullptr && row->interrupt == Interrupt::Eintr && !handled;
    if (!is_restart(result) && !bare_eintr) return none;
    bool sleeping = nr == SYS_nanosleep || nr == SYS_clock_nanosleep || nr == SYS_restart_syscall;
    // A restart_syscall that was forwarded is the deputy's block again, wherever the thread goes on.
    bool stays = block == RestartBlock::Stays || nr == SYS_restart_syscall;
    if (sleeping && result == kErestartBlock && stays) return none;

    if (bare_eintr || result == kErestartBlock) r.rax = static_cast<uint64_t>(kErestartNoHand);
    Where where = timeout_of(r, row);
    // The kernel has already written what is left where TimespecWritten and TimevalWritten say so.
    if (where.kind == Timeout::None || where.kind == Timeout::TimespecWritten || where.kind == Timeout::TimevalWritten) return none;
    TRY_ASSIGN(int64_t whole, duration(r, where, memory));
    if (whole < 0) return none;
    return PendingTimeout{where.kind, where.arg, began_ns + whole};
}

Status write_timeout(Registers& r, const PendingTimeout& timeout, int64_t now_ns, const RemoteMemory& memory, pid_t at_home) {
    if (timeout.kind == Timeout::None) return {};
    int64_t left = std::max<int64_t>(0, timeout.deadline_ns - now_ns);
    if (timeout.kind == Timeout::MillisArg) {
        argument(r, timeout.arg) = static_cast<uint64_t>((left + 999'999) / 1'000'000);
        return {};
    }
    TRY_ASSIGN(uint64_t place, place_in_preload(r, timeout, memory, at_home));
    // Below the red zone nobody keeps anything; the kernel reads it when the call is issued again.
    constexpr uint64_t kBelowRedZone = 128 + 128;
    if (place == 0) place = (r.rsp - kBelowRedZone) & ~uint64_t{15};
    // Below a small stack there may be nothing: then it waits for all of its time again, which is better than not to go on.
    if (!memory.put(place, timespec{left / kSecond, left % kSecond})) return {};
    argument(r, timeout.arg) = place;
    return {};
}

}  // namespace pmi

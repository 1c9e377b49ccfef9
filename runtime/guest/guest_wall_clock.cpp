// The wall clock's calls, when they come as system calls: answered by the same reckoning as the guests' shims have, so that
// both agree. And home's clock, which is asked for now and then.
#include <errno.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/guest/guest_memory_access.h"
#include "runtime/guest/guest_supervisor.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

template <typename T>
bool put(GuestMemory& memory, uint64_t address, const T& value) {
    return memory.write(address, std::as_bytes(std::span(&value, 1))) == sizeof value;
}

}  // namespace

int64_t GuestSupervisor::guest_clock_ns(clockid_t monotonic) const { return clock_ns(monotonic) + parts_.clock_offset_ns; }

bool GuestSupervisor::is_wall_clock(uint64_t clock_id) {
    auto id = static_cast<clockid_t>(clock_id);
    return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI;
}

Status GuestSupervisor::answer_wall_clock(GuestThread& t, const Row& row) {
    const auto& args = t.notification->args;
    GuestMemoryAccess memory(*t.process->memory);
    const GuestClock& clock = parts_.clock;
    if (row.nr == SYS_time) {
        int64_t seconds = clock.wall_ns(guest_clock_ns(CLOCK_MONOTONIC_COARSE)) / kSecond;
        return answer(t, args[0] == 0 || put(memory, args[0], seconds) ? seconds : -EFAULT);
    }
    int64_t now = clock.wall_ns(guest_clock_ns(CLOCK_MONOTONIC));
    if (row.nr == SYS_gettimeofday) {
        bool wrote = args[0] == 0 || put(memory, args[0], timeval{now / kSecond, now % kSecond / 1000});
        struct timezone zone {
            clock.minutes_west(), clock.dst_time()
        };
        wrote = wrote && (args[1] == 0 || put(memory, args[1], zone));
        return answer(t, wrote ? 0 : -EFAULT);
    }
    auto id = static_cast<clockid_t>(args[0]);
    if (id == CLOCK_REALTIME_COARSE) now = clock.wall_ns(guest_clock_ns(CLOCK_MONOTONIC_COARSE));
    if (id == CLOCK_TAI) now += clock.tai_sec() * kSecond;
    return answer(t, put(memory, args[1], timespec{now / kSecond, now % kSecond}) ? 0 : -EFAULT);
}

// A program that sets home's clock sees it set.
Status GuestSupervisor::set_wall_clock(GuestThread& t, const Row& row) {
    return forward(t, row, CallKind::Plain, [this, &t](const Reply& reply, const Flattened& sent) -> Status {
        GuestMemoryAccess memory(*t.process->memory);
        int64_t result = apply(sent, reply, memory);
        if (result < 0) return finish(t, result);
        t.held_result = result;
        waiting_for_clock_.emplace_back(t.process->pid, t.tid);
        parts_.clock.ask_anew(guest_clock_ns(CLOCK_MONOTONIC));
        return ask_clock_if_due();
    });
}

Status GuestSupervisor::ask_clock_if_due() {
    int64_t now = guest_clock_ns(CLOCK_MONOTONIC);
    if (parts_.clock.next_ask_ns() > now) return {};
    parts_.clock.note_asked();
    ClockHead question{};
    question.asked_ns = now;
    return parts_.channel->send(static_cast<uint8_t>(FrameType::AskClock), head_bytes(question));
}

Status GuestSupervisor::handle_clock_frame(const ClockHead& head) {
    if (parts_.clock.take_answer(head, guest_clock_ns(CLOCK_MONOTONIC))) TRY(renew_wall_waits());
    if (parts_.clock.is_asking()) return ask_clock_if_due();
    for (const auto& [pid, tid] : std::exchange(waiting_for_clock_, {})) {
        GuestThread* t = thread_of(pid, tid);
        if (t != nullptr && t->notification && t->held_result) TRY(finish(*t, *std::exchange(t->held_result, std::nullopt)));
    }
    return {};
}

// For poll(2): until home is to be asked again; negative: for ever.
int GuestSupervisor::wait_for_clock_ms() const {
    int64_t next = parts_.clock.next_ask_ns();
    if (next == INT64_MAX) return -1;
    return static_cast<int>(std::max<int64_t>(0, (next - guest_clock_ns(CLOCK_MONOTONIC)) / 1'000'000 + 1));
}

}  // namespace pmi

// What the guests' notified calls cost. Counted here, where a call begins and ends; told home now and then, when home
// asks, and before a stay ends. Calls that the filter lets through are seen by nobody.
#include <algorithm>

#include "runtime/base/clock.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/tracee/interrupted.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {
namespace {

constexpr int64_t kTellEveryNs = 1'000'000'000;

CallTally tally_of(const GuestThread& t, int64_t nr, int64_t result) {
    CallTally tally;
    tally.nr = static_cast<int16_t>(nr);
    // An interruption is not an end: the call goes on, or is made again.
    tally.count = is_restart(result) ? 0 : 1;
    tally.failed = result < 0 && result >= -4095 && !is_restart(result) ? 1 : 0;
    tally.total_ns = static_cast<uint64_t>(std::max<int64_t>(0, monotonic_ns() - t.began_ns));
    tally.slowest_ns = tally.total_ns;
    return tally;
}

}  // namespace

Status GuestSupervisor::count_here(GuestThread& t, const Notification& n, int64_t result) {
    if (t.went_home || find_row(n.nr) == nullptr) return {};
    CallTally tally = tally_of(t, n.nr, result);
    t.process->tallies.add(tally);
    return tell_tallies_if_due(*t.process);
}

Status GuestSupervisor::count_at_home(GuestThread& t, const CallInFlight& call, const CallHead& head, size_t reply_bytes,
                                      int64_t result) {
    if (!t.notification || find_row(t.notification->nr) == nullptr) return {};
    CallTally tally = tally_of(t, t.notification->nr, result);
    tally.at_home = 1;
    bool is_part = call.kind == CallKind::WatchFile || call.kind == CallKind::CompareFile;
    if (is_part) {  // of an mmap, which is counted
        tally.count = 0;
        tally.total_ns = tally.slowest_ns = static_cast<uint64_t>(monotonic_ns() - call.sent_ns);
    }
    if (head.served_ns != UINT32_MAX) tally.travel_ns = tally.total_ns - std::min<uint64_t>(tally.total_ns, head.served_ns);
    if (call.kind == CallKind::Exec) tally.count = 0;  // count_last has
    tally.bytes_to_home = call.bytes_sent;
    tally.bytes_from_home = reply_bytes;
    t.process->tallies.add(tally);
    return tell_tallies_if_due(*t.process);
}

// Calls that end the thread, or its stay here: no reply comes, but for a failed exec.
Status GuestSupervisor::count_last(GuestThread& t, const Row& row, CallKind kind) {
    CallTally tally;
    tally.nr = row.nr;
    tally.at_home = tally.count = 1;
    t.process->tallies.add(tally);
    bool others_stay = kind == CallKind::ExitThread && t.process->threads.size() > 1;
    return others_stay ? Status() : tell_tallies(*t.process);
}

Status GuestSupervisor::tell_tallies_if_due(GuestProcess& p) {
    int64_t now = monotonic_ns();
    if (now - p.tallies_told_ns < kTellEveryNs) return {};
    return tell_tallies(p);
}

Status GuestSupervisor::tell_tallies(GuestProcess& p) {
    p.tallies_told_ns = monotonic_ns();
    auto bytes = std::exchange(p.tallies, {}).encode();
    return parts_.channel->send(static_cast<uint8_t>(FrameType::Tallies), head_bytes(ProcessHead{p.pid.value}), bytes);
}

}  // namespace pmi

#include "runtime/guest/guest_clock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kLargest = INT64_MAX / 4;  // ns that may be added to each other
constexpr int64_t kSlewShare = 2000;         // one part in so many: 500 ppm, as the kernel slews
constexpr int64_t kStepNs = 100'000'000;     // more than this is made good at once
constexpr int kAsksInARow = 4;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

void set_offset(ClockPage& page, int64_t ns) {
    page.offset_sec = floor_div(ns, kSecond);
    page.offset_nsec = ns - page.offset_sec * kSecond;
}

}  // namespace

Expected<GuestClock> GuestClock::create(const wire::HomeClock& home) {
    if (home.realtime_offset_ns() > kLargest || home.realtime_offset_ns() < -kLargest)
        return fail("a wall clock {} ns from the monotonic one", home.realtime_offset_ns());
    Fd file(::memfd_create("pmi-clock", MFD_CLOEXEC));
    if (!file.valid()) return fail_errno("memfd_create");
    if (::ftruncate(file.get(), kPage) != 0) return fail_errno("size the clocks' page");
    void* at = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (at == MAP_FAILED) return fail_errno("map the clocks' page");
    Mapping mapping(at, kPage);
    // A descriptor that can only be read: no guest can make its mapping writable.
    TRY_ASSIGN(Fd read_only, open_file(fmt::format("/proc/self/fd/{}", file.get()), O_RDONLY));
    GuestClock clock(std::move(mapping), std::move(read_only));
    clock.change([&](ClockPage& page) {
        set_offset(page, home.realtime_offset_ns());
        page.tai_sec = home.tai_offset_s();
        page.minutes_west = home.minutes_west();
        page.dst_time = home.dst_time();
        page.random_state_size = home.random_state_size();
        page.random_protection = home.random_protection();
        page.random_flags = home.random_flags();
    });
    return clock;
}

// Readers begin anew when they find an odd sequence, or another one at the end than at the beginning.
template <typename Change>
void GuestClock::change(Change make_it) {
    ClockPage& p = page();
    __atomic_store_n(&p.sequence, p.sequence + 1, __ATOMIC_SEQ_CST);
    make_it(p);
    __atomic_store_n(&p.sequence, p.sequence + 1, __ATOMIC_SEQ_CST);
}

void GuestClock::set_node_functions(uint64_t clock_gettime, uint64_t getcpu) {
    change([&](ClockPage& page) {
        page.node_clock_gettime = clock_gettime;
        page.node_getcpu = getcpu;
    });
}

int64_t GuestClock::wall_ns(int64_t monotonic_ns) const {
    const ClockPage& p = page();
    int64_t slewed = std::clamp<int64_t>(monotonic_ns - p.slew_from_ns, 0, p.slew_length_ns);
    return monotonic_ns + ((slewed * p.slew_rate) >> 32) + p.offset_sec * kSecond + p.offset_nsec;
}

int64_t GuestClock::monotonic_at(int64_t wanted_ns, int64_t now_ns) const {
    int64_t at = now_ns + (wanted_ns - wall_ns(now_ns));
    for (int i = 0; i < 3; i++) at += wanted_ns - wall_ns(at);  // what is slewed until then
    return at;
}

bool GuestClock::correct(int64_t asked_ns, int64_t now_ns, int64_t realtime_ns) {
    int64_t wall_then = wall_ns(asked_ns), wall_now = wall_ns(now_ns);
    // Home has read its clock in between: if that is where it should be, nothing is known to be wrong.
    if (wall_then <= realtime_ns && realtime_ns <= wall_now) return false;
    // As when the program came: rather a trip too far on than behind home, so that nothing goes back when it returns.
    int64_t by = realtime_ns - wall_then;
    int64_t offset = wall_now - now_ns;
    bool at_once = std::abs(by) >= kStepNs;
    change([&](ClockPage& page) {
        set_offset(page, at_once ? offset + by : offset);
        page.slew_from_ns = now_ns;
        page.slew_length_ns = at_once ? 0 : std::abs(by) * kSlewShare;
        page.slew_rate = (by < 0 ? -1 : 1) * ((int64_t{1} << 32) / kSlewShare);
    });
    return true;
}

void GuestClock::ask_anew(int64_t now_ns) {
    asks_left_ = kAsksInARow;
    best_ = {};
    not_before_ns_ = next_ask_ns_ = now_ns;
}

bool GuestClock::take_answer(const ClockHead& answer, int64_t now_ns) {
    if (answer.asked_ns == 0) {  // not an answer: home's clock has been set just now
        ask_anew(now_ns);
        return false;
    }
    bool is_sane = answer.realtime_ns < kLargest && answer.realtime_ns > -kLargest && answer.asked_ns <= now_ns;
    if (!is_sane || answer.asked_ns < not_before_ns_) return false;
    if (asks_left_ == 0) {
        asks_left_ = kAsksInARow;
        best_ = {};
    }
    Reading reading{answer.asked_ns, now_ns, answer.realtime_ns};
    if (best_.received_ns == INT64_MAX || reading.trip_ns() < best_.trip_ns()) best_ = reading;
    if (--asks_left_ != 0) {
        next_ask_ns_ = now_ns;
        return false;
    }
    change([&](ClockPage& page) {
        page.tai_sec = answer.tai_offset_s;
        page.minutes_west = answer.minutes_west;
        page.dst_time = answer.dst_time;
    });
    next_ask_ns_ = now_ns + kAskAgainNs;
    return correct(best_.asked_ns, best_.received_ns, best_.realtime_ns);
}

}  // namespace pmi

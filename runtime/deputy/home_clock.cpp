#include "runtime/deputy/home_clock.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include "interpose/vdso/vdso_image.h"
#include "runtime/base/clock.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// The quickest of a few readings of both, and the larger difference: a guest's wall clock is rather too far on than behind.
int64_t realtime_offset_ns() {
    constexpr int kReadings = 8;
    int64_t best = INT64_MAX, offset = 0;
    for (int i = 0; i < kReadings; i++) {
        int64_t before = monotonic_ns(), wall = clock_ns(CLOCK_REALTIME), after = monotonic_ns();
        if (after - before >= best) continue;
        best = after - before;
        offset = wall - before;
    }
    return offset;
}

int32_t tai_offset_s() {
    int64_t difference = clock_ns(CLOCK_TAI) - clock_ns(CLOCK_REALTIME);
    return static_cast<int32_t>((difference + kSecond / 2) / kSecond);
}

struct timezone time_zone() {
    struct timezone zone {};
    (void)::syscall(SYS_gettimeofday, nullptr, &zone);  // can't fail
    return zone;
}

// struct vgetrandom_opaque_params of linux/random.h, Linux 6.11.
struct RandomParams {
    uint32_t state_size, protection, flags, reserved[13];
};
RandomParams ask_getrandom() {
    uint64_t start = ::getauxval(AT_SYSINFO_EHDR);
    auto maps = read_maps(::getpid());
    for (size_t i = 0; maps && start != 0 && i < maps->size(); i++) {
        const auto& m = (*maps)[i];
        if (m.start != start) continue;
        auto functions = vdso_functions({reinterpret_cast<const std::byte*>(start), m.size()});
        uint64_t offset = functions ? offset_of(*functions, "__vdso_getrandom") : 0;
        if (offset == 0) break;
        using GetRandom = ssize_t (*)(void*, size_t, unsigned, void*, size_t);
        RandomParams params{};
        if (reinterpret_cast<GetRandom>(start + offset)(nullptr, 0, 0, &params, ~size_t{0}) == 0) return params;
    }
    return {};
}

}  // namespace

wire::HomeClock read_home_clock() {
    wire::HomeClock clock;
    clock.set_realtime_offset_ns(realtime_offset_ns());
    clock.set_tai_offset_s(tai_offset_s());
    auto zone = time_zone();
    clock.set_minutes_west(zone.tz_minuteswest);
    clock.set_dst_time(zone.tz_dsttime);
    RandomParams random = ask_getrandom();
    clock.set_random_state_size(random.state_size);
    clock.set_random_protection(random.protection);
    clock.set_random_flags(random.flags);
    return clock;
}

ClockHead read_wall_clock(int64_t asked_ns) {
    auto zone = time_zone();
    return ClockHead{asked_ns, clock_ns(CLOCK_REALTIME), tai_offset_s(), zone.tz_minuteswest, zone.tz_dsttime, 0};
}

Expected<ClockSetWatch> ClockSetWatch::create() {
    Fd fd(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!fd.valid()) return fail_errno("timerfd_create");
    ClockSetWatch watch(std::move(fd));
    TRY(watch.arm());
    return watch;
}

Status ClockSetWatch::arm() const {
    itimerspec never{};
    never.it_value.tv_sec = INT32_MAX * int64_t{4};
    constexpr int kFlags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    // Set between reading and arming: the kernel says so at once, with the timer armed.
    if (::timerfd_settime(fd_.get(), kFlags, &never, nullptr) != 0 && errno != ECANCELED)
        return fail_errno("watch for settings of the wall clock");
    return {};
}

Expected<bool> ClockSetWatch::take() const {
    uint64_t count = 0;
    ssize_t n = ::read(fd_.get(), &count, sizeof count);
    if (n < 0 && errno == EAGAIN) return false;
    if (n < 0 && errno != ECANCELED) return fail_errno("watch for settings of the wall clock");
    TRY(arm());
    return true;
}

}  // namespace pmi

// The guest's vDSO: the parser of a vDSO's image, the shims (executed here, with this machine's own vDSO below them and a
// clock page of our own), how a thread gets out of them, and the reckoning of home's clock.
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "interpose/vdso/shims.h"
#include "interpose/vdso/vdso_image.h"
#include "runtime/base/clock.h"
#include "runtime/guest/guest_clock.h"
#include "runtime/guest/guest_vdso.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

std::vector<std::byte> own_vdso(uint64_t* start) {
    *start = ::getauxval(AT_SYSINFO_EHDR);
    auto maps = read_maps(::getpid());
    EXPECT_TRUE(maps);
    for (const auto& m : maps.value_or({}))
        if (m.start == *start) {
            auto* bytes = reinterpret_cast<const std::byte*>(*start);
            return {bytes, bytes + m.size()};
        }
    return {};
}

Expected<std::string> patch(std::span<std::byte> image, uint64_t agent_base, uint64_t room) {
    TRY_ASSIGN(auto functions, vdso_functions(image));
    TRY_ASSIGN(auto trampolines, place_trampolines(functions, room));
    return patch_vdso(image, functions, trampolines, agent_base, room);
}

// A guest's layout in this process: shims in one page, the clock page at its distance, and a patched copy of the vDSO.
class Shims : public testing::Test {
  protected:
    void SetUp() override {
        void* place = ::mmap(nullptr, kLocalVdsoOffset, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(place, MAP_FAILED);
        place_ = Mapping(place, kLocalVdsoOffset);
        base_ = reinterpret_cast<uint64_t>(place);
        ASSERT_EQ(::mprotect(place, kPage, PROT_READ | PROT_WRITE), 0);
        std::memcpy(place_.data() + kShimsOffset, pmi_shims_begin, shims_size());
        ASSERT_EQ(::mprotect(place, kPage, PROT_READ | PROT_EXEC), 0);
    }
    void start(int64_t offset_ns, bool with_vdso = true) {
        wire::HomeClock home;
        home.set_realtime_offset_ns(offset_ns);
        home.set_tai_offset_s(37);
        home.set_minutes_west(-60);
        home.set_dst_time(1);
        home.set_random_state_size(144);
        home.set_random_protection(3);
        home.set_random_flags(0x28);
        auto clock = GuestClock::create(home);
        ASSERT_TRUE(clock);
        clock_.emplace(std::move(*clock));
        uint64_t start = 0;
        vdso_ = own_vdso(&start);
        ASSERT_FALSE(vdso_.empty());
        auto functions = vdso_functions(vdso_);
        ASSERT_TRUE(functions) << functions.error().message();
        functions_ = *functions;
        if (with_vdso)
            clock_->set_node_functions(start + offset_of(functions_, "__vdso_clock_gettime"),
                                       start + offset_of(functions_, "__vdso_getcpu"));
        ASSERT_NE(::mmap(place_.data() + kClockPageOffset, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, clock_->read_only_fd(), 0),
                  MAP_FAILED);
        // The copy, at an address of its own: as a program that kept a pointer to home's vDSO calls it.
        auto below = patch(vdso_, base_, kRoom);
        ASSERT_TRUE(below) << below.error().message();
        ASSERT_EQ(below->size(), kRoom);
        void* memory = ::mmap(nullptr, kRoom + vdso_.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(memory, MAP_FAILED);
        memory_ = Mapping(memory, kRoom + vdso_.size());
        copy_ = std::span(memory_.data(), memory_.size()).subspan(kRoom);
        std::memcpy(memory, below->data(), kRoom);
        std::memcpy(copy_.data(), vdso_.data(), vdso_.size());
        ASSERT_EQ(::mprotect(memory, memory_.size(), PROT_READ | PROT_EXEC), 0);
    }
    GuestVdso description() const {
        GuestVdso vdso;
        vdso.agent_base = base_;
        auto start = reinterpret_cast<uint64_t>(copy_.data());
        vdso.copy = {start, start + copy_.size()};
        vdso.trampolines = {start - kRoom, start};
        vdso.functions = functions_;
        vdso.entries = place_trampolines(functions_, kRoom).value_or({});
        return vdso;
    }
    template <typename Function>
    Function function(const char* name) {
        uint64_t offset = offset_of(functions_, name);
        EXPECT_NE(offset, 0u) << name;
        return reinterpret_cast<Function>(copy_.data() + offset);
    }
    int64_t read(clockid_t clock) {
        timespec t{-1, -1};
        EXPECT_EQ(function<int (*)(clockid_t, timespec*)>("__vdso_clock_gettime")(clock, &t), 0);
        EXPECT_TRUE(t.tv_nsec >= 0 && t.tv_nsec < kSecond) << t.tv_nsec;
        return t.tv_sec * kSecond + t.tv_nsec;
    }

    static constexpr size_t kRoom = 2 * kPage;
    Mapping place_, memory_;
    std::span<std::byte> copy_;  // with the trampolines before it
    uint64_t base_ = 0;
    std::optional<GuestClock> clock_;
    std::vector<std::byte> vdso_;
    std::vector<VdsoFunction> functions_;
};

TEST_F(Shims, WallClocksHaveTheOffset) {
    for (int64_t offset : {int64_t{0}, 3600 * kSecond, -3600 * kSecond + 1, 1'700'000'000 * kSecond + 999'999'999, int64_t{-1}}) {
        start(offset);
        for (int i = 0; i < 1000; i++) {
            int64_t before = clock_->wall_ns(monotonic_ns());
            int64_t now = read(CLOCK_REALTIME), tai = read(CLOCK_TAI);
            int64_t after = clock_->wall_ns(monotonic_ns());
            ASSERT_LE(before, now);
            ASSERT_LE(now + 37 * kSecond, tai);
            ASSERT_LE(tai - 37 * kSecond, after);
        }
        int64_t before = clock_ns(CLOCK_MONOTONIC_COARSE) + offset, coarse = read(CLOCK_REALTIME_COARSE);
        EXPECT_LE(before, coarse);
        EXPECT_LE(coarse, clock_ns(CLOCK_MONOTONIC_COARSE) + offset);
    }
}

TEST_F(Shims, OtherClocksAreTheNodes) {
    start(3600 * kSecond);
    for (clockid_t clock :
         {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE, CLOCK_PROCESS_CPUTIME_ID}) {
        int64_t before = clock_ns(clock), now = read(clock);
        EXPECT_LE(before, now) << clock;
        EXPECT_LE(now, clock_ns(clock)) << clock;
    }
    timespec t{};
    auto gettime = function<int (*)(clockid_t, timespec*)>("clock_gettime");
    EXPECT_EQ(gettime(12345, &t), -EINVAL);
    EXPECT_EQ(gettime(-1, &t), -EINVAL);
    EXPECT_EQ(gettime(10, &t), -EINVAL);
}

TEST_F(Shims, TimeOfDay) {
    start(5 * kSecond);
    auto get = function<int (*)(timeval*, struct timezone*)>("__vdso_gettimeofday");
    timeval t{};
    struct timezone zone {};
    int64_t before = clock_->wall_ns(monotonic_ns()) / 1000;
    EXPECT_EQ(get(&t, &zone), 0);
    EXPECT_LE(before, t.tv_sec * 1'000'000 + t.tv_usec);
    EXPECT_LE(t.tv_sec * 1'000'000 + t.tv_usec, clock_->wall_ns(monotonic_ns()) / 1000);
    EXPECT_EQ(zone.tz_minuteswest, -60);
    EXPECT_EQ(zone.tz_dsttime, 1);
    EXPECT_EQ(get(nullptr, nullptr), 0);
    auto seconds = function<time_t (*)(time_t*)>("__vdso_time");
    time_t stored = 0, result = seconds(&stored);
    EXPECT_EQ(result, stored);
    EXPECT_NEAR(static_cast<double>(seconds(nullptr)), static_cast<double>(clock_->wall_ns(monotonic_ns()) / kSecond), 1.0);
}

TEST_F(Shims, TheRest) {
    start(0);
    unsigned cpu = 12345, node = 12345;
    EXPECT_EQ(function<int (*)(unsigned*, unsigned*, void*)>("__vdso_getcpu")(&cpu, &node, nullptr), 0);
    EXPECT_LT(cpu, 4096u);
    timespec resolution{};
    EXPECT_EQ(function<int (*)(clockid_t, timespec*)>("__vdso_clock_getres")(CLOCK_MONOTONIC, &resolution), 0);
    EXPECT_GT(resolution.tv_nsec, 0);
    if (offset_of(functions_, "__vdso_getrandom") == 0) GTEST_SKIP() << "this kernel's vDSO has no getrandom";
    auto getrandom = function<ssize_t (*)(void*, size_t, unsigned, void*, size_t)>("__vdso_getrandom");
    uint32_t params[16];
    std::memset(params, 0xff, sizeof params);
    EXPECT_EQ(getrandom(nullptr, 0, 0, params, ~size_t{0}), 0);
    EXPECT_EQ(params[0], 144u);
    EXPECT_EQ(params[1], 3u);
    EXPECT_EQ(params[2], 0x28u);
    for (int i = 3; i < 16; i++) EXPECT_EQ(params[i], 0u);
    char bytes[32]{}, state[144]{}, none[144]{};
    EXPECT_EQ(getrandom(bytes, sizeof bytes, 0, state, sizeof state), 32);
    EXPECT_NE(std::string(bytes, 32), std::string(32, '\0'));
    EXPECT_EQ(std::memcmp(state, none, sizeof state), 0) << "home's state was used";
}

TEST_F(Shims, WithoutAVdsoOfTheNode) {
    start(3600 * kSecond, false);
    EXPECT_NEAR(static_cast<double>(read(CLOCK_REALTIME)), static_cast<double>(clock_ns(CLOCK_REALTIME)), 1e9);
    timeval t{};
    EXPECT_EQ(function<int (*)(timeval*, struct timezone*)>("__vdso_gettimeofday")(&t, nullptr), 0);
    EXPECT_NEAR(static_cast<double>(t.tv_sec), static_cast<double>(::time(nullptr)), 1.0);
}

TEST_F(Shims, SlewedNeverGoesBack) {
    start(1000 * kSecond);
    int64_t now = monotonic_ns();
    clock_->correct(now - 1000, now, clock_->wall_ns(now) - 50'000);  // 50 us too far on: made good in 0.1 s
    int64_t last = 0, reads = 0;
    while (monotonic_ns() < now + 200'000'000) {
        int64_t t = read(CLOCK_REALTIME);
        ASSERT_GE(t, last);
        last = t;
        reads++;
    }
    EXPECT_GT(reads, 1000);
    int64_t expected = monotonic_ns() + 1000 * kSecond - 49'000;
    EXPECT_NEAR(static_cast<double>(clock_->wall_ns(monotonic_ns()) - expected), 0, 2000);
}

// The registers of a thread at any instruction of a shim, and where it has to go on.
TEST_F(Shims, ThreadsArePutOutside) {
    start(0);
    GuestVdso vdso = description();
    uint64_t stack[2] = {0x1234567, 0};
    RemoteMemory memory(::getpid());
    for (const Shim& shim : shims()) {
        uint64_t function = vdso.copy.start + offset_of(functions_, "__vdso_" + std::string(shim.name));
        if (function == vdso.copy.start) continue;
        auto put = [&](uint64_t at, int64_t orig_rax, int64_t rax) {
            Registers r{};
            r.rip = base_ + kShimsOffset + at;
            r.rsp = reinterpret_cast<uint64_t>(stack);
            r.orig_rax = static_cast<uint64_t>(orig_rax);
            r.rax = static_cast<uint64_t>(rax);
            r.rcx = 1;
            r.r9 = 2;
            EXPECT_TRUE(vdso.is_inside(r.rip));
            auto done = put_outside(vdso, r, memory);
            EXPECT_TRUE(done);
            if (!done || !*done) r.rip = 0;
            return r;
        };
        EXPECT_EQ(put(shim.entry, -1, 5).rip, function);
        EXPECT_EQ(put(shim.call, -1, 5).rip, function);
        EXPECT_EQ(put(shim.call, -1, 5).rcx, 1u);
        EXPECT_EQ(put(shim.end - 2, -1, 5).rip, function);
        EXPECT_EQ(put(shim.end - 2, -1, 5).rcx, 2u);
        Registers again = put(shim.end, 228, kErestartNoIntr);
        EXPECT_EQ(again.rip, function);
        EXPECT_EQ(again.rcx, 2u);
        EXPECT_EQ(static_cast<int64_t>(again.orig_rax), -1);
        Registers done = put(shim.end, 228, -EINVAL);
        EXPECT_EQ(done.rip, stack[0]);
        EXPECT_EQ(done.rsp, reinterpret_cast<uint64_t>(stack + 1));
        EXPECT_EQ(static_cast<int64_t>(done.rax), -EINVAL);
        if (shim.work != shim.stores) {
            EXPECT_EQ(put(shim.work + 4, -1, 5).rip, 0u) << "is to be stepped";
        }
        auto entry = std::find_if(vdso.entries.begin(), vdso.entries.end(),
                                  [&](const auto& t) { return vdso.copy.start + t.function == function; });
        ASSERT_NE(entry, vdso.entries.end());
        for (uint64_t instruction : {uint64_t{0}, uint64_t{kTrampolineSecond}}) {
            Registers jump{};
            jump.rip = vdso.copy.start - entry->below + instruction;
            EXPECT_TRUE(vdso.is_inside(jump.rip));
            EXPECT_TRUE(*put_outside(vdso, jump, memory));
            EXPECT_EQ(jump.rip, function);
        }
        EXPECT_FALSE(vdso.is_inside(function));
    }
}

// Where code of home's has run to here; the handler makes it return from the call.
uint64_t faulted_at;
void note_fault(int, siginfo_t*, void* context) {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    faulted_at = static_cast<uint64_t>(registers[REG_RIP]);
    std::memcpy(&registers[REG_RIP], reinterpret_cast<const void*>(registers[REG_RSP]), sizeof(uint64_t));
    registers[REG_RSP] += static_cast<greg_t>(sizeof(uint64_t));
}

// A handler's frame may hold the address of any instruction of home's functions. None of them may do anything here.
TEST_F(Shims, WhatIsBehindTheJumpsFaults) {
    start(0);
    GuestVdso vdso = description();
    struct sigaction action {
    }, ill{}, segv{};
    action.sa_sigaction = note_fault;
    action.sa_flags = SA_SIGINFO;
    ASSERT_EQ(::sigaction(SIGILL, &action, &ill), 0);
    ASSERT_EQ(::sigaction(SIGSEGV, &action, &segv), 0);
    wire::Image image;
    unsigned done = 0;
    for (const auto& f : functions_)
        for (uint64_t i = 0; i < f.size; i++) {
            uint64_t at = vdso.copy.start + f.offset + i;
            if (i == 0) {
                EXPECT_FALSE(vdso.needs_home(at, at, image));
                continue;
            }
            faulted_at = 0;
            reinterpret_cast<void (*)()>(at)();
            EXPECT_EQ(faulted_at, at) << f.name << " + " << i;
            EXPECT_TRUE(vdso.needs_home(at, at, image));
            done++;
        }
    ::sigaction(SIGILL, &ill, nullptr);
    ::sigaction(SIGSEGV, &segv, nullptr);
    EXPECT_GT(done, 100u);
}

TEST(VdsoImage, TrampolinesFitIntoAPageOrTwo) {
    std::vector<VdsoFunction> functions;
    const char* names[] = {"__vdso_gettimeofday", "__vdso_time", "__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_getcpu"};
    for (uint64_t offset = 0x400; offset < 0x1c00; offset += 16) {
        functions.clear();
        for (uint64_t i = 0; i < 5; i++) functions.push_back({names[i], offset + i * 0x30, 0x28});
        auto placed = place_trampolines(functions, 2 * kPage);
        ASSERT_TRUE(placed) << offset << ": " << placed.error().message();
        for (size_t i = 0; i < placed->size(); i++)
            for (size_t j = 0; j < i; j++)
                EXPECT_GE(std::max((*placed)[i].below, (*placed)[j].below) - std::min((*placed)[i].below, (*placed)[j].below),
                          kTrampoline);
    }
    EXPECT_FALSE(place_trampolines(functions, 0));
    EXPECT_FALSE(place_trampolines(functions, 64));
}

TEST(VdsoImage, KnowsItsFunctions) {
    uint64_t start = 0;
    auto image = own_vdso(&start);
    auto functions = vdso_functions(image);
    ASSERT_TRUE(functions) << functions.error().message();
    using GetTime = int (*)(clockid_t, timespec*);
    auto gettime = reinterpret_cast<GetTime>(start + offset_of(*functions, "__vdso_clock_gettime"));
    timespec t{};
    EXPECT_EQ(gettime(CLOCK_MONOTONIC, &t), 0);
    EXPECT_EQ(offset_of(*functions, "clock_gettime"), offset_of(*functions, "__vdso_clock_gettime"));
    EXPECT_EQ(offset_of(*functions, "no_such"), 0u);
}

// By either hash table alone.
TEST(VdsoImage, OneHashTableIsEnough) {
    uint64_t start = 0;
    auto image = own_vdso(&start);
    auto all = vdso_functions(image);
    ASSERT_TRUE(all);
    for (int64_t tag : {int64_t{DT_HASH}, int64_t{DT_GNU_HASH}}) {
        auto changed = image;
        bool found = false;
        for (size_t at = 0; at + sizeof(Elf64_Dyn) <= 4096; at += 8) {
            Elf64_Dyn entry;
            std::memcpy(&entry, changed.data() + at, sizeof entry);
            if (entry.d_tag != tag || entry.d_un.d_ptr >= image.size()) continue;
            entry.d_tag = DT_DEBUG;
            std::memcpy(changed.data() + at, &entry, sizeof entry);
            found = true;
            break;
        }
        if (!found) continue;
        auto functions = vdso_functions(changed);
        ASSERT_TRUE(functions) << functions.error().message();
        EXPECT_EQ(functions->size(), all->size());
    }
}

TEST(VdsoImage, HostileBytes) {
    uint64_t start = 0;
    auto image = own_vdso(&start);
    EXPECT_FALSE(vdso_functions({}));
    EXPECT_FALSE(vdso_functions(std::span(image).first(63)));
    EXPECT_FALSE(vdso_functions(std::vector<std::byte>(kMaxVdso + 1)));
    for (size_t length = 0; length < image.size(); length += 7) {
        auto part = std::vector<std::byte>(image.begin(), image.begin() + static_cast<ptrdiff_t>(length));
        (void)patch(part, 0x10000, 2 * kPage);
    }
    std::mt19937_64 random(1);
    for (int round = 0; round < 20000; round++) {
        auto changed = image;
        for (int i = 0; i < 3; i++) {
            // Where the headers and tables are.
            size_t at = random() % 0x700;
            changed[at] = static_cast<std::byte>(random());
            if (random() % 4 == 0) std::memset(changed.data() + (at & ~size_t{7}), 0xff, 8);
        }
        (void)patch(changed, 0x10000, 2 * kPage);
    }
}

TEST(VdsoImage, UnknownFunctionsAreRefused) {
    uint64_t start = 0;
    auto image = own_vdso(&start);
    std::string_view text(reinterpret_cast<const char*>(image.data()), image.size());
    size_t at = text.find("__vdso_gettimeofday");
    ASSERT_NE(at, std::string_view::npos);
    image[at + 7] = std::byte{'G'};
    auto patched = patch(image, 0x10000, 2 * kPage);
    ASSERT_FALSE(patched);
    EXPECT_NE(patched.error().message().find("__vdso_Gettimeofday"), std::string::npos);
}

class Clock : public testing::Test {
  protected:
    void SetUp() override {
        wire::HomeClock home;
        home.set_realtime_offset_ns(1000 * kSecond);
        auto clock = GuestClock::create(home);
        ASSERT_TRUE(clock);
        clock_.emplace(std::move(*clock));
    }
    static ClockHead reading(int64_t asked, int64_t realtime) { return {asked, realtime, 37, 0, 0, 0}; }
    std::optional<GuestClock> clock_;
};

TEST_F(Clock, WhatMayBeRightStays) {
    clock_->correct(50 * kSecond, 51 * kSecond, 1050 * kSecond + 300);
    EXPECT_EQ(clock_->wall_ns(60 * kSecond), 1060 * kSecond);
}

TEST_F(Clock, BehindIsSlewed) {
    clock_->correct(50 * kSecond, 50 * kSecond + 1000, 1050 * kSecond + 10'000'000);
    EXPECT_EQ(clock_->wall_ns(50 * kSecond + 1000), 1050 * kSecond + 1000);
    EXPECT_NEAR(static_cast<double>(clock_->wall_ns(60 * kSecond) - 1060 * kSecond), 5e6, 2000);
    EXPECT_NEAR(static_cast<double>(clock_->wall_ns(70 * kSecond) - 1070 * kSecond), 1e7, 2000);
    EXPECT_NEAR(static_cast<double>(clock_->wall_ns(900 * kSecond) - 1900 * kSecond), 1e7, 2000);
}

TEST_F(Clock, ASettingIsFollowedAtOnce) {
    clock_->correct(50 * kSecond, 50 * kSecond + 1000, 4650 * kSecond);
    EXPECT_EQ(clock_->wall_ns(50 * kSecond), 4650 * kSecond);
    clock_->correct(60 * kSecond, 60 * kSecond + 1000, 60 * kSecond);
    EXPECT_EQ(clock_->wall_ns(60 * kSecond), 60 * kSecond);
}

TEST_F(Clock, TheQuickestOfFourCounts) {
    int64_t now = 100 * kSecond;
    clock_->ask_from(now);
    for (int64_t trip : {30'000'000, 1000, 50'000'000, 30'000'000}) {
        EXPECT_LE(clock_->next_ask_ns(), now);
        clock_->note_asked();
        int64_t asked = now;
        now += trip;
        // Home is 5 ms on; only the quick answer shows it.
        clock_->take_answer(reading(asked, asked + trip / 2 + 1000 * kSecond + 5'000'000), now);
    }
    EXPECT_FALSE(clock_->is_asking());
    EXPECT_EQ(clock_->next_ask_ns(), now + GuestClock::kAskAgainNs);
    EXPECT_NEAR(static_cast<double>(clock_->wall_ns(now + 20 * kSecond) - now - 1020 * kSecond), 5e6, 2000);
}

TEST_F(Clock, HostileReadings) {
    clock_->take_answer(reading(INT64_MIN, 0), 5);
    clock_->take_answer(reading(10, 0), 5);
    clock_->take_answer(reading(3, INT64_MIN), 5);
    clock_->take_answer(reading(3, INT64_MAX), 5);
    EXPECT_EQ(clock_->wall_ns(5), 5 + 1000 * kSecond);
    wire::HomeClock home;
    home.set_realtime_offset_ns(INT64_MIN);
    EXPECT_FALSE(GuestClock::create(home));
}

}  // namespace
}  // namespace pmi

// A thread leaves a function of the vDSO: from each instruction of it, as if it had been stepped out.
#include "runtime/tracee/run_to_return.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "runtime/tracee/freezer.h"
#include "runtime/tracee/memory.h"
#include "runtime/tracee/return_slot.h"

namespace pmi {
namespace {

struct Call {
    const char* name;
    void (*make)();
};
void PrintTo(const Call& call, std::ostream* out) { *out << call.name; }

volatile long sink;
const Call kCalls[] = {
    {"monotonic",
     [] {
         timespec t{};
         sink = ::clock_gettime(CLOCK_MONOTONIC, &t);
     }},
    {"coarse",
     [] {
         timespec t{};
         sink = ::clock_gettime(CLOCK_REALTIME_COARSE, &t);
     }},
    {"cpu",  // a system call in there
     [] {
         timespec t{};
         sink = ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
     }},
    {"res",
     [] {
         timespec t{};
         sink = ::clock_getres(CLOCK_MONOTONIC, &t);
     }},
    {"timeofday",
     [] {
         timeval t{};
         sink = ::gettimeofday(&t, nullptr);
     }},
    {"time", [] { sink = ::time(nullptr); }},
    {"cpu_number",
     [] {
         unsigned cpu = 0, node = 0;
         sink = ::getcpu(&cpu, &node);
     }},
};

// A child that makes one of these calls over and over, stopped by this thread.
class InVdso : public ::testing::TestWithParam<Call> {
  protected:
    void SetUp() override {
        GetParam().make();  // so that it is bound
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) GetParam().make();
        }
        ASSERT_TRUE(seize(pid_, PTRACE_O_EXITKILL).ok());
        ASSERT_TRUE(interrupt(pid_).ok());
        ASSERT_TRUE(waiter_.wait(pid_, -1).ok());
        ASSERT_TRUE(set_signal_mask(pid_, kInjectionMask).ok());
        auto found = find_vdso(pid_);
        ASSERT_TRUE(found.ok());
        vdso_ = *found;
    }
    void TearDown() override {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, __WALL);
    }
    Registers registers() {
        auto r = get_registers(pid_);
        EXPECT_TRUE(r.ok());
        return r ? *r : Registers{};
    }
    bool is_inside() { return is_inside(registers()); }
    bool is_inside(const Registers& r) const { return r.rip >= vdso_.start && r.rip < vdso_.end; }
    void step_one() {
        InjectedRun run(pid_);
        ASSERT_TRUE(step(pid_, run, waiter_).ok());
    }
    // To the first instruction of its next call.
    void enter() {
        while (is_inside()) step_one();
        for (int i = 0; !is_inside(); i++) {
            ASSERT_LT(i, 2000) << "it does not go by the vDSO";
            step_one();
        }
    }
    std::vector<std::byte> code() const {
        std::vector<std::byte> bytes(vdso_.end - vdso_.start);
        EXPECT_TRUE(RemoteMemory(pid_).read(vdso_.start, bytes).ok());
        return bytes;
    }
    pid_t pid_ = 0;
    VdsoRange vdso_;
    PlainWaiter waiter_;
};

TEST_P(InVdso, SlotIsFoundFromEachInstruction) {
    enter();
    uint64_t slot = registers().rsp, start = vdso_.start;
    auto bytes = code();
    size_t looked_at = 0, found_there = 0;
    for (; is_inside(); step_one(), looked_at++) {
        auto found = find_return_slot(bytes, start, registers());
        if (!found) continue;
        found_there++;
        // Of a function that this one has called, there is one deeper.
        EXPECT_LE(*found, slot) << looked_at;
        if (*found != slot) {
            auto returns_to = RemoteMemory(pid_).get<uint64_t>(*found);
            EXPECT_TRUE(returns_to && *returns_to >= vdso_.start && *returns_to < vdso_.end) << looked_at;
        }
    }
    EXPECT_EQ(registers().rsp, slot + sizeof(uint64_t));
    EXPECT_EQ(found_there, looked_at);
}

TEST_P(InVdso, ReturnsFromEachInstruction) {
    for (int steps = 0;; steps++) {
        enter();
        Registers at_entry = registers();
        auto returns_to = RemoteMemory(pid_).get<uint64_t>(at_entry.rsp);
        ASSERT_TRUE(returns_to.ok());
        for (int i = 0; i < steps && is_inside(); i++) step_one();
        if (!is_inside()) break;
        InjectedRun run(pid_);
        while (is_inside()) {
            auto returned = run_to_return(pid_, vdso_.start, vdso_.end, run, waiter_);
            ASSERT_TRUE(returned.ok() && *returned) << steps;
        }
        ASSERT_TRUE(run.end(waiter_).ok());
        Registers r = registers();
        EXPECT_EQ(r.rip, *returns_to) << steps;
        EXPECT_EQ(r.rsp, at_entry.rsp + sizeof(uint64_t)) << steps;
        EXPECT_EQ(r.rbx, at_entry.rbx) << steps;
        EXPECT_EQ(r.rbp, at_entry.rbp) << steps;
        EXPECT_EQ(r.r12, at_entry.r12) << steps;
        EXPECT_EQ(r.r15, at_entry.r15) << steps;
        EXPECT_GE(static_cast<int64_t>(r.rax), 0) << steps;
        EXPECT_EQ(*RemoteMemory(pid_).get<uint64_t>(at_entry.rsp), *returns_to) << steps;
    }
}

INSTANTIATE_TEST_SUITE_P(Of, InVdso, ::testing::ValuesIn(kCalls), [](const auto& of) { return of.param.name; });

uint64_t slot_of(std::initializer_list<unsigned char> code, Registers r = {}) {
    std::vector<std::byte> bytes;
    for (unsigned char byte : code) bytes.push_back(std::byte{byte});
    r.rip += 0x1000;
    r.rsp = 0x8000;
    return find_return_slot(bytes, 0x1000, r).value_or(0);
}

TEST(ReturnSlot, StackThatIsMoved) {
    EXPECT_EQ(slot_of({0xc3}), 0x8000u);                                // ret
    EXPECT_EQ(slot_of({0x5b, 0x5d, 0xc3}), 0x8010u);                    // pop rbx; pop rbp; ret
    EXPECT_EQ(slot_of({0x53, 0x5b, 0xc3}), 0x8000u);                    // push rbx; pop rbx; ret
    EXPECT_EQ(slot_of({0x48, 0x83, 0xc4, 0x18, 0xc3}), 0x8018u);        // add rsp, 24; ret
    EXPECT_EQ(slot_of({0x48, 0x8d, 0x64, 0x24, 0x08, 0xc3}), 0x8008u);  // lea rsp, [rsp + 8]; ret
    EXPECT_EQ(slot_of({0x48, 0x83, 0xec, 0x80, 0xc3}), 0x8080u);        // sub rsp, -128; ret
    // push rax; and rsp, -16; add rsp, 16; ret
    EXPECT_EQ(slot_of({0x50, 0x48, 0x83, 0xe4, 0xf0, 0x48, 0x83, 0xc4, 0x10, 0xc3}), 0x8000u);
    Registers framed{};
    framed.rbp = 0x8040;
    EXPECT_EQ(slot_of({0xc9, 0xc3}, framed), 0x8048u);                                // leave; ret
    EXPECT_EQ(slot_of({0x48, 0x8d, 0x65, 0xf8, 0x5b, 0x5d, 0xc3}, framed), 0x8048u);  // lea rsp, [rbp - 8]; pop; pop; ret
}

TEST(ReturnSlot, NothingIsGuessed) {
    EXPECT_EQ(slot_of({0x48, 0x89, 0xc4, 0xc3}), 0u);             // mov rsp, rax; ret
    EXPECT_EQ(slot_of({0x5d, 0xc9, 0xc3}), 0u);                   // pop rbp; leave: what is in it is not known
    EXPECT_EQ(slot_of({0xff, 0xe0}), 0u);                         // jmp rax
    EXPECT_EQ(slot_of({0x74, 0x01, 0xc3, 0x5b, 0xc3}), 0u);       // je: ret, or pop and ret
    EXPECT_EQ(slot_of({0x90, 0x90}), 0u);                         // it goes on where no code is
    EXPECT_EQ(slot_of({0x0f, 0x0b}), 0u);                         // ud2
    EXPECT_EQ(slot_of({0x74, 0x00, 0xeb, 0xfc}), 0u);             // for ever
    EXPECT_EQ(slot_of({0x53, 0xc3}), 0u);                         // it would return to what it has just pushed
    EXPECT_EQ(slot_of({0x74, 0x02, 0x90, 0xc3, 0xc3}), 0x8000u);  // je: ret, or ret
}

TEST(ReturnSlot, AnyBytes) {
    std::mt19937 random(1);
    std::vector<std::byte> bytes(64);
    for (int i = 0; i < 20000; i++) {
        for (auto& byte : bytes) byte = std::byte(random() % 4 == 0 ? 0xc3 : random());
        Registers r{};
        r.rip = 0x1000 + random() % 70;
        r.rsp = 0x8000;
        auto slot = find_return_slot(bytes, 0x1000, r);
        EXPECT_TRUE(!slot || (*slot >= r.rsp && *slot % 8 == 0));
        (void)ends_with_call(bytes);
    }
}

TEST(ReturnSlot, Calls) {
    auto is_one = [](std::string_view code) { return ends_with_call(std::as_bytes(std::span(code))); };
    EXPECT_TRUE(is_one(std::string_view("\xe8\0\0\0\0", 5)));
    EXPECT_TRUE(is_one("\xff\xd0"));                                   // call rax
    EXPECT_TRUE(is_one(std::string_view("\xff\x15\0\0\0\0", 6)));      // call [rip]
    EXPECT_TRUE(is_one(std::string_view("\xff\x94\x24\0\0\0\0", 7)));  // call [rsp]
    EXPECT_FALSE(is_one("\x90\x90\x90\x90\x90\x90\x90\x90"));
    EXPECT_FALSE(is_one("\xff\xe0"));  // jmp rax
    EXPECT_FALSE(is_one(""));
}

}  // namespace
}  // namespace pmi

// Patched system call sites: which are found, that a patched function does what it did, and that a thread can be taken out of a
// stub wherever it is. In this process, or in a child that is stepped.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <optional>
#include <vector>

#include "interpose/patch/site_patches.h"
#include "runtime/base/fd.h"

namespace pmi {
namespace {

using Bytes = std::vector<unsigned char>;

// Returns the call's result, or -1 if the flags, the red zone or rbx are not what they were.
constexpr unsigned char kFunction[] = {0x53,                                      //      push rbx
                                       0xbb, 0x22, 0x11, 0x00, 0x00,              //      mov  ebx, 0x1122
                                       0x48, 0x89, 0x5c, 0x24, 0xf8,              //      mov  [rsp - 8], rbx
                                       0x48, 0x89, 0x5c, 0x24, 0x80,              //      mov  [rsp - 128], rbx
                                       0xf9,                                      //      stc
                                       0xb8, 0x66, 0x00, 0x00, 0x00,              //      mov  eax, 102
                                       0x0f, 0x05,                                //      syscall
                                       0x73, 0x10,                                //      jnc  bad
                                       0x48, 0x39, 0x5c, 0x24, 0xf8, 0x75, 0x09,  //      cmp  [rsp - 8], rbx; jne bad
                                       0x48, 0x39, 0x5c, 0x24, 0x80, 0x75, 0x02,  //      cmp  [rsp - 128], rbx; jne bad
                                       0x5b, 0xc3,                                //      pop  rbx; ret
                                       0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff,  // bad: mov  rax, -1
                                       0x5b, 0xc3};                               //      pop  rbx; ret
constexpr size_t kLoadIn = 17, kResumeIn = 24;
constexpr size_t kSled = 128;  // nops before it

Expected<Site> find(const Bytes& code, int64_t nr = SYS_getuid) {
    return find_site(std::as_bytes(std::span(code)), 0x7000'0000'0000 + code.size(), nr);
}
Bytes after_nops(std::initializer_list<int> bytes, size_t nops = 100) {
    Bytes code(nops, 0x90);
    for (int b : bytes) code.push_back(static_cast<unsigned char>(b));
    return code;
}

TEST(FindSite, LoadsItsNumberRightBefore) {
    auto site = find(after_nops({0xb8, 0x66, 0, 0, 0, 0x0f, 0x05}));
    ASSERT_TRUE(site) << site.error().message();
    EXPECT_EQ(site->resume - site->load, 7u);
    EXPECT_EQ(site->original[0], std::byte{0xb8});
    site = find(after_nops({0x48, 0xc7, 0xc0, 0x66, 0, 0, 0, 0x0f, 0x05}));
    ASSERT_TRUE(site) << site.error().message();
    EXPECT_EQ(site->resume - site->load, 9u);
}

TEST(FindSite, RefusesWhatItCannotBeSureOf) {
    EXPECT_FALSE(find(after_nops({0xb8, 0x67, 0, 0, 0, 0x0f, 0x05})));        // another number
    EXPECT_FALSE(find(after_nops({0x41, 0xb8, 0x66, 0, 0, 0, 0x0f, 0x05})));  // mov r8d
    EXPECT_FALSE(find(after_nops({0x00, 0xb8, 0x66, 0, 0, 0, 0x0f, 0x05})));  // add [rax + 0x66], bh
    EXPECT_FALSE(find(after_nops({0xb8, 0x66, 0, 0, 0, 0x90, 0x0f, 0x05})));  // not right before
    EXPECT_FALSE(find(after_nops({0xb8, 0x66, 0, 0, 0, 0x0f, 0x34})));        // sysenter
    EXPECT_FALSE(find(after_nops({0xb8, 0x66, 0, 0, 0, 0x0f, 0x05}, 20)));    // too little to read
    EXPECT_FALSE(find(after_nops({0xb8, 0x66, 0, 0, 0})));
    EXPECT_FALSE(find({0x05}));
    EXPECT_FALSE(find({}));
    for (int64_t nr : {SYS_clone, SYS_fork, SYS_vfork, SYS_rt_sigreturn, SYS_execve, SYS_read})
        EXPECT_FALSE(find(after_nops({0xb8, static_cast<int>(nr), 0, 0, 0, 0x0f, 0x05}), nr)) << nr;
    Bytes low = after_nops({0xb8, 0x66, 0, 0, 0, 0x0f, 0x05});
    EXPECT_FALSE(find_site(std::as_bytes(std::span(low)), low.size(), SYS_getuid));  // page 0
}

TEST(FindSite, KnowsThisLibrary) {
    const std::pair<const void*, int64_t> functions[] = {{reinterpret_cast<const void*>(&::getuid), SYS_getuid},
                                                         {reinterpret_cast<const void*>(&::geteuid), SYS_geteuid},
                                                         {reinterpret_cast<const void*>(&::getgid), SYS_getgid},
                                                         {reinterpret_cast<const void*>(&::getegid), SYS_getegid}};
    for (const auto& [function, nr] : functions) {
        const auto* at = static_cast<const std::byte*>(function);
        size_t length = 0;
        while (length < 32 && std::memcmp(at + length, "\x0f\x05", 2) != 0) length++;
        if (length == 32) GTEST_SKIP() << "a C library that makes this call in another way";
        length += 2;
        auto site = find_site({at + length - kSiteWindow, kSiteWindow}, reinterpret_cast<uint64_t>(at + length), nr);
        EXPECT_TRUE(site) << nr << ": " << site.error().message();
    }
}

// A guest's layout here: the agent's place, and a page or two of a program within reach.
class Patching : public testing::Test {
  protected:
    void SetUp() override {
        constexpr uint64_t kRoom = kStubsOffset + kStubsSize + 4 * kPage;
        void* place = ::mmap(nullptr, kRoom, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ASSERT_NE(place, MAP_FAILED);
        place_ = Mapping(place, kRoom);
        base_ = reinterpret_cast<uint64_t>(place);
        ASSERT_EQ(::mprotect(place_.data() + kAnswersOffset, kPage, PROT_READ | PROT_WRITE), 0);
        ASSERT_EQ(::mprotect(place_.data() + kStubsOffset, kStubsSize + 4 * kPage, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
        patches_.emplace(base_);
    }
    // With its number's load at this offset from the program's first page.
    void put_function(size_t load_at) {
        std::byte* text = place_.data() + kStubsOffset + kStubsSize;
        std::memset(text, 0x90, 4 * kPage);
        std::memcpy(text + load_at - kLoadIn, kFunction, sizeof kFunction);
        function_ = reinterpret_cast<uint64_t>(text) + load_at - kLoadIn;
        uint64_t resume = function_ + kResumeIn;
        auto site = find_site({reinterpret_cast<const std::byte*>(resume - kSiteWindow), kSiteWindow}, resume, SYS_getuid);
        ASSERT_TRUE(site) << site.error().message();
        auto patch = patches_->prepare(*site);
        ASSERT_TRUE(patch) << patch.error().message();
        patch_ = *patch;
        std::memcpy(reinterpret_cast<void*>(patch_->stub), patch_->code.data(), kStubSize);
    }
    void patch() { std::memcpy(reinterpret_cast<void*>(patch_->site.load), patch_->jump.data(), kJumpSize); }
    void unpatch() { std::memcpy(reinterpret_cast<void*>(patch_->site.load), patch_->site.original.data(), kJumpSize); }
    void know(uint32_t uid) { answers()[0] = {uid, 1}; }
    void forget() { answers()[0].is_known = 0; }
    AnswersPage& answers() { return *reinterpret_cast<AnswersPage*>(place_.data() + kAnswersOffset); }
    int64_t call() const { return reinterpret_cast<int64_t (*)()>(function_)(); }

    Mapping place_;
    uint64_t base_ = 0, function_ = 0;
    std::optional<SitePatches> patches_;
    SitePatch* patch_ = nullptr;
};

TEST_F(Patching, DoesWhatItDid) {
    put_function(kSled);
    int64_t uid = ::getuid();
    EXPECT_EQ(call(), uid);
    Bytes before(reinterpret_cast<unsigned char*>(function_), reinterpret_cast<unsigned char*>(function_) + sizeof kFunction);
    patch();
    EXPECT_EQ(call(), uid);
    know(4711);
    EXPECT_EQ(call(), 4711);
    know(0);
    EXPECT_EQ(call(), 0);
    know(UINT32_MAX);
    EXPECT_EQ(call(), int64_t{UINT32_MAX});
    forget();
    EXPECT_EQ(call(), uid);
    unpatch();
    EXPECT_EQ(std::memcmp(before.data(), reinterpret_cast<void*>(function_), before.size()), 0);
    EXPECT_EQ(call(), uid);
}

TEST_F(Patching, OverTwoPages) {
    for (size_t before = 1; before < 8; before++) {
        patches_.emplace(base_);
        put_function(kPage - before);
        know(4711);
        patch();
        EXPECT_EQ(call(), 4711) << before;
        unpatch();
        EXPECT_EQ(call(), ::getuid()) << before;
    }
}

TEST_F(Patching, SameSiteSameStub) {
    put_function(kSled);
    auto again = patches_->prepare(patch_->site);
    ASSERT_TRUE(again);
    EXPECT_EQ((*again)->stub, patch_->stub);
    EXPECT_EQ(patches_->all().size(), 1u);
}

// A neighbour's jump must not be read as the program's code.
TEST_F(Patching, ShowsWhatWasThere) {
    put_function(kSled);
    Bytes before(reinterpret_cast<unsigned char*>(function_), reinterpret_cast<unsigned char*>(function_) + sizeof kFunction);
    patch();
    patch_->active = true;
    for (size_t from = 0; from < before.size(); from++) {
        Bytes seen(reinterpret_cast<unsigned char*>(function_) + from, reinterpret_cast<unsigned char*>(function_) + before.size());
        patches_->show_original(function_ + from, std::as_writable_bytes(std::span(seen)));
        EXPECT_EQ(seen, Bytes(before.begin() + static_cast<long>(from), before.end())) << from;
    }
}

TEST_F(Patching, RoomAndReach) {
    Site far;
    far.load = base_ + (uint64_t{1} << 32);
    far.resume = far.load + 7;
    far.nr = SYS_getuid;
    EXPECT_FALSE(patches_->prepare(far));
    Site near = far;
    near.load = base_ + (uint64_t{1} << 24);
    for (size_t i = 0; i < kMaxPatches; i++) {
        near.load += 16;
        near.resume = near.load + 7;
        EXPECT_TRUE(patches_->prepare(near));
    }
    near.load += 16;
    EXPECT_FALSE(patches_->prepare(near));
}

// -- a thread at any instruction of the stub

// A child that calls the patched function, stopped when it has come to the stub; its status is 0 if the function does what it did.
class Child {
  public:
    Child(const std::function<int64_t()>& call, int64_t expected) {
        pid_ = ::fork();
        if (pid_ != 0) {
            wait_stop();
            return;
        }
        ::ptrace(PTRACE_TRACEME, 0, 0, 0);
        ::raise(SIGSTOP);
        ::_exit(call() == expected ? 0 : 1);
    }
    ~Child() {
        if (!over_) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    }
    user_regs_struct registers() const {
        user_regs_struct r{};
        EXPECT_EQ(::ptrace(PTRACE_GETREGS, pid_, 0, &r), 0);
        return r;
    }
    void set(const user_regs_struct& r) const { EXPECT_EQ(::ptrace(PTRACE_SETREGS, pid_, 0, &r), 0); }
    void step() {
        EXPECT_EQ(::ptrace(PTRACE_SINGLESTEP, pid_, 0, 0), 0);
        wait_stop();
    }
    bool step_to(uint64_t address) {
        for (int i = 0; i < 100000 && !over_; i++) {
            if (registers().rip == address) return true;
            step();
        }
        return false;
    }
    void write(uint64_t address, std::span<const std::byte> bytes) const {
        Fd mem(::open(("/proc/" + std::to_string(pid_) + "/mem").c_str(), O_RDWR));
        EXPECT_EQ(::pwrite(mem.get(), bytes.data(), bytes.size(), static_cast<off_t>(address)), static_cast<ssize_t>(bytes.size()));
    }
    int finish() {
        EXPECT_EQ(::ptrace(PTRACE_CONT, pid_, 0, 0), 0);
        int status = 0;
        ::waitpid(pid_, &status, 0);
        over_ = true;
        return status;
    }

  private:
    void wait_stop() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        over_ = !WIFSTOPPED(status);
    }
    pid_t pid_ = 0;
    bool over_ = false;
};

class PatchingStep : public Patching, public testing::WithParamInterface<bool> {};

// Taken out at each of its instructions in turn, the patch undone, it gets the same result.
TEST_P(PatchingStep, LeavesItAnywhere) {
    put_function(kSled);
    patch();
    int64_t uid = ::getuid();
    // What is known is not what the call would say: so it shows which it was.
    if (GetParam()) know(4711);
    size_t stops = 0;
    for (size_t steps = 0;; steps++) {
        bool answered = GetParam() && steps > 2;  // it has taken the answer
        Child child([this] { return call(); }, answered ? 4711 : uid);
        ASSERT_TRUE(child.step_to(patch_->stub));
        for (size_t i = 0; i < steps; i++) child.step();
        user_regs_struct r = child.registers();
        if (!patches_->is_stub(r.rip)) break;
        StubRegisters at{r.rip, r.rcx};
        ASSERT_TRUE(patches_->put_outside(at)) << r.rip - patch_->stub;
        EXPECT_FALSE(patches_->is_stub(at.rip));
        r.rip = at.rip;
        r.rcx = at.rcx;
        child.set(r);
        child.write(patch_->site.load, patch_->site.original);
        child.write(patch_->stub, StubCode{});
        EXPECT_EQ(child.finish(), 0) << steps;
        stops++;
    }
    EXPECT_EQ(stops, GetParam() ? 5u : 7u);
}
INSTANTIATE_TEST_SUITE_P(Answer, PatchingStep, testing::Bool(), [](const auto& with) { return with.param ? "Known" : "Unknown"; });

// A thread that has loaded the number, or that the kernel sends back to make the call again, finds the call where it was.
TEST_F(Patching, ThreadsInsideTheSiteGoOn) {
    put_function(kSled);
    for (uint64_t at : {patch_->site.syscall(), patch_->site.resume}) {
        Child child([this] { return call(); }, ::getuid());
        ASSERT_TRUE(child.step_to(at));
        child.write(patch_->site.load, patch_->jump);
        if (at == patch_->site.resume) {
            user_regs_struct r = child.registers();
            r.rax = SYS_getuid;
            r.rip = patch_->site.syscall();
            r.orig_rax = static_cast<unsigned long long>(-1);
            child.set(r);
        }
        EXPECT_EQ(child.finish(), 0);
    }
}

TEST_F(Patching, NoStubOutsideOfThem) {
    put_function(kSled);
    for (uint64_t offset = 0; offset < kStubSize; offset++) {
        StubRegisters r{patch_->stub + offset, 0};
        bool is_instruction = patches_->put_outside(r);
        uint64_t rip = is_instruction ? r.rip : 0;
        bool is_in_site = rip == patch_->site.load || rip == patch_->site.syscall() || rip == patch_->site.resume;
        EXPECT_EQ(is_instruction, is_in_site) << offset;
    }
    StubRegisters r{patch_->stub + kStubSize, 0};
    EXPECT_FALSE(patches_->put_outside(r));
    r.rip = function_;
    EXPECT_FALSE(patches_->put_outside(r));
}

// -- rt_sigprocmask

// int64_t (*)(int how, const uint64_t* set, uint64_t* old, size_t size); -1000 if the flags or rdi are not what they were.
constexpr unsigned char kMaskFunction[] = {0x49, 0x89, 0xca,                          // mov r10, rcx
                                           0x49, 0x89, 0xf8,                          // mov r8, rdi
                                           0xf9,                                      // stc
                                           0xb8, 0x0e, 0x00, 0x00, 0x00,              // mov eax, 14
                                           0x0f, 0x05,                                // syscall
                                           0x73, 0x06,                                // jnc bad
                                           0x4c, 0x39, 0xc7, 0x75, 0x01,              // cmp rdi, r8; jne bad
                                           0xc3,                                      // ret
                                           0x48, 0xc7, 0xc0, 0x18, 0xfc, 0xff, 0xff,  // bad: mov rax, -1000
                                           0xc3};                                     // ret
constexpr size_t kMaskResumeIn = 14;

class MaskPatching : public Patching {
  protected:
    void SetUp() override {
        if (!can_run_mask_stub()) GTEST_SKIP() << "a CPU without BMI2";
        Patching::SetUp();
        std::byte* text = place_.data() + kStubsOffset + kStubsSize;
        std::memset(text, 0x90, 4 * kPage);
        std::memcpy(text + kSled, kMaskFunction, sizeof kMaskFunction);
        function_ = reinterpret_cast<uint64_t>(text) + kSled;
        uint64_t resume = function_ + kMaskResumeIn;
        auto site = find_site({reinterpret_cast<const std::byte*>(resume - kSiteWindow), kSiteWindow}, resume, SYS_rt_sigprocmask);
        ASSERT_TRUE(site) << site.error().message();
        auto patch = patches_->prepare(*site);
        ASSERT_TRUE(patch) << patch.error().message();
        patch_ = *patch;
        std::memcpy(reinterpret_cast<void*>(patch_->stub), patch_->code.data(), kStubSize);
        Patching::patch();
        cell() = {0, 0, 0};
        change(SIG_SETMASK, 0);
        cell().is_late = 0;
    }
    MaskCell& cell() { return *reinterpret_cast<MaskCell*>(patches_->mask_cell()); }
    int64_t call(uint64_t how, const uint64_t* set, uint64_t* old = nullptr, size_t size = 8) const {
        return reinterpret_cast<int64_t (*)(uint64_t, const uint64_t*, uint64_t*, size_t)>(function_)(how, set, old, size);
    }
    // Whether the stub has made the call by itself.
    bool change(uint64_t how, uint64_t set) {
        cell().is_late = 0;
        EXPECT_EQ(call(how, &set), 0);
        return cell().is_late != 0;
    }
    static uint64_t mask() {
        uint64_t now = 0;
        EXPECT_EQ(::syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &now, sizeof now), 0);
        return now;
    }
};
constexpr uint64_t kA = uint64_t{1} << (SIGUSR1 - 1), kB = uint64_t{1} << (SIGUSR2 - 1), kC = uint64_t{1} << 63;

TEST_F(MaskPatching, ChangesTheMaskAsTheCallDoes) {
    for (uint64_t told : {uint64_t{0}, kA, kA | kC, ~uint64_t{0}}) {
        cell().told = told;
        change(SIG_SETMASK, 0);
        change(SIG_BLOCK, kA | kB);
        EXPECT_EQ(mask(), kA | kB);
        change(SIG_UNBLOCK, kA);
        EXPECT_EQ(mask(), kB);
        change(SIG_SETMASK, kC);
        EXPECT_EQ(mask(), kC);
        uint64_t old = 0;
        EXPECT_EQ(call(SIG_UNBLOCK, nullptr, &old), 0);
        EXPECT_EQ(old, kC);
        EXPECT_EQ(call(SIG_SETMASK, &kA, &old), 0);
        EXPECT_EQ(old, kC);
        EXPECT_EQ(mask(), kA);
        EXPECT_EQ(call(SIG_BLOCK, &kA, nullptr, 4), -EINVAL);
        EXPECT_EQ(call(77, &kA), -EINVAL);
        EXPECT_EQ(mask(), kA);
    }
    change(SIG_SETMASK, 0);
}

// Only where home blocks nothing of what it unblocks; else the call is made as it is.
TEST_F(MaskPatching, KnowsWhatHomeHasBeenTold) {
    cell().told = kA;
    EXPECT_TRUE(change(SIG_BLOCK, kA | kB | kC));
    EXPECT_TRUE(change(SIG_UNBLOCK, kB | kC));
    EXPECT_FALSE(change(SIG_UNBLOCK, kA | kB));
    EXPECT_TRUE(change(SIG_SETMASK, kA));
    EXPECT_TRUE(change(SIG_SETMASK, kA | kB));
    EXPECT_FALSE(change(SIG_SETMASK, kB));
    EXPECT_FALSE(change(SIG_SETMASK, 0));
    cell().is_closed = 1;
    EXPECT_FALSE(change(SIG_BLOCK, kB));
    EXPECT_FALSE(change(SIG_UNBLOCK, kB));
    EXPECT_FALSE(change(SIG_SETMASK, 0));
    EXPECT_EQ(mask(), 0u);
}

TEST_F(MaskPatching, AnUpperHalfOfTheFirstArgumentStaysWhatItIs) {
    uint64_t how = uint64_t{0x1234} << 32 | SIG_BLOCK;
    cell().is_late = 0;
    EXPECT_EQ(call(how, &kA), 0);
    EXPECT_EQ(cell().is_late, 0u);  // the kernel's to understand
    EXPECT_EQ(mask(), kA);
    change(SIG_SETMASK, 0);
}

// At each instruction on each way through it, the patch undone, the result is the same.
TEST_F(MaskPatching, IsLeftAnywhere) {
    struct {
        uint64_t told;
        uint32_t is_closed;
        int how;
        const uint64_t* set;
    } const ways[] = {{0, 0, SIG_BLOCK, &kA},   {0, 0, SIG_UNBLOCK, &kB},  {kB, 0, SIG_UNBLOCK, &kB}, {0, 0, SIG_UNBLOCK, nullptr},
                      {0, 0, SIG_SETMASK, &kA}, {kB, 0, SIG_SETMASK, &kA}, {0, 1, SIG_SETMASK, &kA},  {0, 0, 77, &kA}};
    for (const auto& way : ways) {
        cell() = {way.told, way.is_closed, 0};
        auto expected = way.how == 77 ? -EINVAL : 0;
        uint64_t begin = kB, end = way.set == nullptr ? kB : way.how == SIG_BLOCK ? kA | kB : way.how == SIG_UNBLOCK ? 0 : kA;
        if (way.how == 77) end = kB;
        for (size_t steps = 0;; steps++) {
            Child child(
                [&] {
                    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &begin, nullptr, sizeof begin);
                    bool ok = call(static_cast<uint64_t>(way.how), way.set) == expected;
                    return ok && mask() == end ? 1 : 0;
                },
                1);
            ASSERT_TRUE(child.step_to(patch_->stub));
            for (size_t i = 0; i < steps; i++) child.step();
            user_regs_struct r = child.registers();
            if (!patches_->is_stub(r.rip)) {
                EXPECT_GT(steps, 5u);
                break;
            }
            StubRegisters at{r.rip, r.rcx, r.rdi};
            ASSERT_TRUE(patches_->put_outside(at)) << r.rip - patch_->stub;
            EXPECT_EQ(at.rdi, static_cast<uint64_t>(way.how));
            r.rip = at.rip, r.rcx = at.rcx, r.rdi = at.rdi;
            child.set(r);
            child.write(patch_->site.load, patch_->site.original);
            child.write(patch_->stub, StubCode{});
            EXPECT_EQ(child.finish(), 0) << way.how << " after " << steps;
        }
    }
}

TEST_F(MaskPatching, AFaultIsTheKernelsToFind) {
    for (uint64_t how : {SIG_UNBLOCK, SIG_SETMASK}) {
        const auto* nowhere = reinterpret_cast<const uint64_t*>(uintptr_t{8});
        Child child([&] { return call(how, nowhere); }, -EFAULT);
        ASSERT_TRUE(child.step_to(patch_->stub));
        std::optional<uint64_t> there;
        for (int i = 0; i < 20 && !there; i++) {
            uint64_t before = child.registers().rip;
            child.step();  // the fault is a stop, too, and its signal is left out
            if (child.registers().rip == before) there = patches_->after_fault(before);
        }
        ASSERT_TRUE(there);
        user_regs_struct r = child.registers();
        r.rip = *there;
        child.set(r);
        EXPECT_EQ(child.finish(), 0) << how;
    }
    EXPECT_FALSE(patches_->after_fault(patch_->stub));
    EXPECT_FALSE(patches_->after_fault(patch_->site.load));
}

}  // namespace
}  // namespace pmi

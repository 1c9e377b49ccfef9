// A child that does to its memory what it is told, followed from outside as a program is.
#include "runtime/memory/dirty_tracking.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "runtime/memory/guard_pages.h"

namespace pmi {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPages = 64;

uint64_t page(const char* memory, size_t n) { return reinterpret_cast<uint64_t>(memory) + n * kPage; }

class DirtyTrackingTest : public testing::Test {
  protected:
    void SetUp() override {
        auto can = DirtyTracking::probe();
        if (!can) GTEST_SKIP() << can.error().message();
        memory_ = static_cast<char*>(::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(memory_, MAP_FAILED);
    }
    void TearDown() override {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        ::munmap(memory_, kPages * kPage);
    }

    // The child touches pages 0 to 7, makes a userfaultfd, and does one of the steps each time it is told to.
    void start(std::vector<std::function<void()>> steps) {
        int to[2], from[2];
        ASSERT_EQ(::pipe(to), 0);
        ASSERT_EQ(::pipe(from), 0);
        child_ = ::fork();
        if (child_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (size_t n = 0; n < 8; n++) memory_[n * kPage] = 1;
            long fd = ::syscall(SYS_userfaultfd, DirtyTracking::kUserfaultfdFlags);
            (void)!::write(from[1], &fd, sizeof fd);
            for (auto& step : steps) {
                char go;
                if (::read(to[0], &go, 1) != 1) ::_exit(1);
                step();
                (void)!::write(from[1], &fd, sizeof fd);
            }
            ::pause();
        }
        tell_.reset(to[1]), hear_.reset(from[0]);
        ::close(to[0]), ::close(from[1]);
        long there = -1;
        ASSERT_EQ(::read(hear_.get(), &there, sizeof there), static_cast<ssize_t>(sizeof there));
        Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
        Fd uffd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), there, 0)));
        ASSERT_TRUE(uffd.valid());
        auto tracking = DirtyTracking::adopt(child_, std::move(uffd));
        ASSERT_TRUE(tracking) << tracking.error().message();
        tracking_.emplace(std::move(*tracking));
        ASSERT_TRUE(tracking_->follow(all()));
        ASSERT_TRUE(tracking_->take_written(all()));
    }
    void step() {
        long done = 0;
        ASSERT_EQ(::write(tell_.get(), "x", 1), 1);
        ASSERT_EQ(::read(hear_.get(), &done, sizeof done), static_cast<ssize_t>(sizeof done));
    }
    std::vector<PageRun> all() const { return {{page(memory_, 0), page(memory_, kPages)}}; }
    PageSet pages(std::initializer_list<size_t> numbers) const {
        PageSet set;
        for (size_t n : numbers) set.add(page(memory_, n), page(memory_, n + 1));
        return set;
    }
    DirtyTracking::Pages look() const {
        auto seen = tracking_->look(all());
        EXPECT_TRUE(seen);
        return *seen;
    }

    char* memory_ = nullptr;
    pid_t child_ = -1;
    Fd tell_, hear_;
    std::optional<DirtyTracking> tracking_;
};

TEST_F(DirtyTrackingTest, TellsWhatWasWritten) {
    start({[this] { memory_[3 * kPage] = 2, memory_[20 * kPage] = 2; }});
    EXPECT_EQ(look().clean, pages({0, 1, 2, 3, 4, 5, 6, 7}));
    step();
    EXPECT_EQ(look().own, pages({0, 1, 2, 3, 4, 5, 6, 7, 20}));
    EXPECT_EQ(look().clean, pages({0, 1, 2, 4, 5, 6, 7}));
    auto taken = tracking_->take_written(all());
    ASSERT_TRUE(taken);
    EXPECT_EQ(*taken, pages({3, 20}));
    EXPECT_EQ(look().clean, pages({0, 1, 2, 3, 4, 5, 6, 7, 20}));
}

TEST_F(DirtyTrackingTest, TellsWhatTheKernelWrote) {
    start({[this] {
        int pair[2];
        (void)!::pipe(pair);
        (void)!::write(pair[1], "hello", 5);
        (void)!::read(pair[0], memory_ + 5 * kPage, 5);
    }});
    step();
    EXPECT_EQ(look().clean, pages({0, 1, 2, 3, 4, 6, 7}));
}

TEST_F(DirtyTrackingTest, PagesGivenBackAreNotItsOwn) {
    start({[this] { ::madvise(memory_ + 2 * kPage, 2 * kPage, MADV_DONTNEED); }, [this] { memory_[2 * kPage] = 1; }});
    step();
    EXPECT_EQ(look().own, pages({0, 1, 4, 5, 6, 7}));
    step();
    EXPECT_EQ(look().own, pages({0, 1, 2, 4, 5, 6, 7}));
    EXPECT_EQ(look().clean, pages({0, 1, 4, 5, 6, 7}));
}

TEST_F(DirtyTrackingTest, GuardPagesAreTouchedAndNotItsOwn) {
    if (!tells_guard_pages()) GTEST_SKIP() << "this kernel does not tell of guard pages";
    start({[this] { ::madvise(memory_ + 2 * kPage, 2 * kPage, kGuardInstall); },
           [this] { ::madvise(memory_ + 3 * kPage, kPage, kGuardRemove), memory_[3 * kPage] = 1; }});
    step();
    for (int again = 0; again < 2; again++) {
        auto touched = tracking_->touched(all());
        ASSERT_TRUE(touched);
        for (size_t guard : {2, 3}) EXPECT_TRUE(touched->contains(page(memory_, guard)));
        EXPECT_FALSE(touched->contains(page(memory_, 1)));
        EXPECT_EQ(look().own, pages({0, 1, 4, 5, 6, 7}));
        auto taken = tracking_->take_written(all());
        ASSERT_TRUE(taken);
        EXPECT_EQ(*taken, pages({}));
    }
    step();
    EXPECT_EQ(look().own, pages({0, 1, 3, 4, 5, 6, 7}));
    EXPECT_EQ(look().clean, pages({0, 1, 4, 5, 6, 7}));
    auto guards = find_guard_pages(child_, all());
    ASSERT_TRUE(guards);
    EXPECT_EQ(*guards, pages({2}));
}

TEST_F(DirtyTrackingTest, ANewMappingAtAnOldPlaceIsNotClean) {
    start({[this] {
        ::munmap(memory_, 2 * kPage);
        (void)::mmap(memory_, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        memory_[0] = 1, memory_[kPage] = 1;
    }});
    step();
    EXPECT_EQ(look().clean, pages({2, 3, 4, 5, 6, 7}));
    ASSERT_TRUE(tracking_->follow(all()));
    EXPECT_EQ(look().clean, pages({2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(*tracking_->take_written(all()), pages({0, 1}));
}

TEST_F(DirtyTrackingTest, AMappingThatHasGrownSinceItWasListedStaysOne) {
    start({[this] { (void)::mmap(memory_, kPages * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); },
           [this] {
               if (::mremap(memory_, kPages * kPage, 2 * kPages * kPage, MREMAP_MAYMOVE) == MAP_FAILED) ::_exit(1);
           }});
    step();
    PageRun listed{page(memory_, 0), page(memory_, 4)}, next{page(memory_, kPages), page(memory_, kPages + 1)};
    ASSERT_TRUE(tracking_->follow({listed}, {listed, next}));
    step();
}

// What is mapped in the place of one that is gone begins lower, since addresses are given from the top.
TEST_F(DirtyTrackingTest, AMappingThatStandsInAnothersPlaceStaysOne) {
    start({[this] { (void)::mmap(memory_, kPages * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); },
           [this] {
               if (::mremap(memory_, kPages * kPage, 2 * kPages * kPage, MREMAP_MAYMOVE) == MAP_FAILED) ::_exit(1);
           }});
    step();
    PageRun before{page(memory_, 0) - kPage, page(memory_, 0)}, listed{page(memory_, 3), page(memory_, kPages)};
    ASSERT_TRUE(tracking_->follow({listed}, {before, listed}));
    step();
}

// What it does not tell of is clean: own pages and those that are gone are among what it tells.
TEST_F(DirtyTrackingTest, WhatIsNotTouchedIsClean) {
    start({[this] {
               memory_[3 * kPage] = 2;
               ::madvise(memory_ + 5 * kPage, kPage, MADV_DONTNEED);
           },
           [this] { (void)::mmap(memory_, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); },
           [this] { (void)::mremap(memory_ + 6 * kPage, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, memory_ + 7 * kPage); }});
    auto untouched = [&] {
        EXPECT_TRUE(tracking_->follow(all()));
        auto touched = tracking_->touched(all());
        EXPECT_TRUE(touched);
        PageSet rest(all());
        rest.subtract(*touched);
        return rest;
    };
    EXPECT_EQ(untouched(), pages({0, 1, 2, 3, 4, 5, 6, 7}));
    step();
    EXPECT_EQ(untouched(), pages({0, 1, 2, 4, 6, 7}));
    step();
    EXPECT_EQ(untouched(), pages({2, 4, 6, 7}));
    step();
    EXPECT_EQ(untouched(), pages({2, 4, 6}));  // nothing is mapped any more where page 6 was
}

TEST_F(DirtyTrackingTest, AMappingThatMovedIsNotClean) {
    start({[this] { (void)::mremap(memory_, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, memory_ + 40 * kPage); }});
    step();
    EXPECT_EQ(look().own, pages({2, 3, 4, 5, 6, 7, 40, 41}));
    EXPECT_EQ(look().clean, pages({2, 3, 4, 5, 6, 7}));
    ASSERT_TRUE(tracking_->follow(all()));
    EXPECT_EQ(look().clean, pages({2, 3, 4, 5, 6, 7}));
}

TEST_F(DirtyTrackingTest, ProtectionChangesAreNoWrites) {
    start({[this] {
        ::mprotect(memory_, 4 * kPage, PROT_NONE);
        ::mprotect(memory_, 4 * kPage, PROT_READ | PROT_WRITE);
        memory_[kPage] = 3;
    }});
    step();
    EXPECT_EQ(look().clean, pages({0, 2, 3, 4, 5, 6, 7}));
}

TEST_F(DirtyTrackingTest, ForkKeepsAccount) {
    start({[this] {
        pid_t other = ::fork();
        if (other == 0) {
            memory_[6 * kPage] = 9;  // its own copy
            ::_exit(0);
        }
        ::waitpid(other, nullptr, 0);
        memory_[kPage] = 3;
    }});
    step();
    EXPECT_EQ(look().clean, pages({0, 2, 3, 4, 5, 6, 7}));
}

TEST_F(DirtyTrackingTest, AnotherProgramIsNoticed) {
    start({[] {}, [] { ::execl("/bin/sleep", "sleep", "100", nullptr); }});
    step();
    ASSERT_TRUE(tracking_->follow(all()));
    ASSERT_EQ(::write(tell_.get(), "x", 1), 1);
    Status followed;
    for (int i = 0; i < 5000 && followed; i++) {
        ::usleep(1000);
        followed = tracking_->follow(all());
    }
    ASSERT_FALSE(followed);
    EXPECT_EQ(followed.error().code(), ESRCH);
}

TEST_F(DirtyTrackingTest, LettingGoLeavesNothing) {
    start({[this] { memory_[0] = 5; }});
    while (tracking_->let_go_some()) {
    }
    step();
    EXPECT_TRUE(look().clean.empty());
    auto smaps = read_file("/proc/" + std::to_string(child_) + "/smaps");
    ASSERT_TRUE(smaps);
    EXPECT_EQ(smaps->find(" uw"), std::string::npos);
}

// Other threads map memory while it is tried out what the kernel can do, and keep it.
TEST(DirtyTrackingProbe, LeavesTheMemoryOfOtherThreadsAlone) {
    if (auto can = DirtyTracking::probe(); !can) GTEST_SKIP() << can.error().message();
    std::atomic<bool> ends = false;
    std::atomic<size_t> lost = 0;
    std::thread other([&] {
        while (!ends) {
            void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            for (int i = 0; i < 20; i++) {
                ::sched_yield();
                unsigned char there = 0;
                if (::mincore(page, kPage, &there) != 0) lost++;  // ENOMEM: nothing is mapped there
            }
            ::munmap(page, kPage);
        }
    });
    for (int i = 0; i < 2000; i++) EXPECT_TRUE(DirtyTracking::probe());
    ends = true;
    other.join();
    EXPECT_EQ(lost, 0u);
}

}  // namespace
}  // namespace pmi

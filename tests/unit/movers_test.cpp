// What every mover has to do: the copy shows what the original shows when it stands still, whatever it did before. Original and
// copy are two children with the same mapping; the copy has something of an earlier time in it where the mover says so.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <optional>

#include "remote/movers/memory_follower.h"
#include "remote/transport/tcp_stream.h"

namespace pmi {
namespace {

constexpr uint64_t kBytes = 4096;
constexpr size_t kPages = 600;  // more than one message

class Child {
  public:
    // Does one of the steps each time it is told to; the first one at once.
    Child(const std::vector<std::function<void()>>& steps) {
        int to[2], from[2];
        if (::pipe(to) != 0 || ::pipe(from) != 0) ::abort();
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            long fd = ::syscall(SYS_userfaultfd, DirtyTracking::kUserfaultfdFlags);
            for (const auto& step : steps) {
                step();
                (void)!::write(from[1], &fd, sizeof fd);
                char go;
                if (::read(to[0], &go, 1) != 1) ::_exit(1);
            }
            for (;;) ::pause();
        }
        tell_.reset(to[1]), hear_.reset(from[0]);
        ::close(to[0]), ::close(from[1]);
        (void)!::read(hear_.get(), &userfaultfd_, sizeof userfaultfd_);
    }
    ~Child() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    void step() {
        long done;
        (void)!::write(tell_.get(), "x", 1);
        ASSERT_EQ(::read(hear_.get(), &done, sizeof done), static_cast<ssize_t>(sizeof done));
    }
    pid_t pid() const { return pid_; }
    Fd take_userfaultfd() const {
        Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
        return Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), userfaultfd_, 0)));
    }

  private:
    pid_t pid_ = -1;
    long userfaultfd_ = -1;
    Fd tell_, hear_;
};

class MoversTest : public testing::TestWithParam<bool> {
  protected:
    bool follows() const { return GetParam(); }
    void SetUp() override {
        if (follows())
            if (auto can = DirtyTracking::probe(); !can) GTEST_SKIP() << can.error().message();
        uint16_t port = 0;
        ChannelKeys keys = ChannelKeys::random();
        auto server = listen_stream("127.0.0.1", keys, Security::Insecure, &port);
        ASSERT_TRUE(server);
        server_ = std::move(*server);
        auto client = connect_stream("127.0.0.1", port, keys, Security::Insecure, 5000);
        ASSERT_TRUE(client) << client.error().message();
        client_ = std::move(*client);
        memory_ = static_cast<char*>(::mmap(nullptr, kPages * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(memory_, MAP_FAILED);
        image_.set_pid(7);
        auto& region = *image_.add_regions();
        region.set_start(reinterpret_cast<uint64_t>(memory_));
        region.set_end(region.start() + kPages * kBytes);
        region.set_protection(PROT_READ | PROT_WRITE);
    }
    void TearDown() override { ::munmap(memory_, kPages * kBytes); }

    void begin(std::vector<std::function<void()>> steps) {
        source_.emplace(steps);
        sink_.emplace(std::vector<std::function<void()>>{[] {}});
        order_.pid = source_->pid();
        order_.image = &image_;
        if (!follows()) return;
        auto tracking = DirtyTracking::adopt(source_->pid(), source_->take_userfaultfd());
        ASSERT_TRUE(tracking) << tracking.error().message();
        follower_ = std::make_unique<MemoryFollower>(std::make_shared<DirtyTracking>(std::move(*tracking)));
    }
    // The source's memory came from the other side.
    void all_has_arrived() {
        if (!follows()) return;
        follower_->note_installed({image_.regions(0).start(), image_.regions(0).end()});
        auto settled = follower_->settle(image_);
        ASSERT_TRUE(settled) << settled.error().message();
    }
    // What is sent is installed, up to the message of this kind.
    void install_until(StreamKind last) {
        MemoryInstaller installer(sink_->pid(), image_, [](uint32_t) { return -1; });
        RemoteMemory memory(sink_->pid());
        for (;;) {
            auto message = server_->receive(5000);
            ASSERT_TRUE(message) << message.error().message();
            auto view = parse_stream_message((*message)->bytes());
            ASSERT_TRUE(view);
            if (view->head.kind == last) return;
            if (view->head.kind == StreamKind::Pages) {
                auto done = installer.install(*view);
                ASSERT_TRUE(done) << done.error().message();
            } else if (view->head.kind == StreamKind::Drop) {
                auto ranges = installer.dropped(*view);
                ASSERT_TRUE(ranges);
                for (const auto& r : *ranges) ASSERT_TRUE(memory.write(r.start, std::vector<std::byte>(r.end - r.start)));
            }
        }
    }
    void round() {
        if (!follows()) return;
        auto begun = follower_->begin_round(order_, *client_);
        ASSERT_TRUE(begun) << begun.error().message();
        for (;;) {
            auto more = follower_->step();
            ASSERT_TRUE(more) << more.error().message();
            if (!*more) break;
        }
        install_until(StreamKind::RoundEnd);
    }
    MoveTotals finish() {
        auto plain = make_stop_copy();
        Mover& mover = follows() ? static_cast<Mover&>(*follower_) : *plain;
        auto totals = mover.send(order_, *client_);
        EXPECT_TRUE(totals) << totals.error().message();
        EXPECT_TRUE(client_->send(make_stream_message(StreamKind::End, 7, {}, {})));
        install_until(StreamKind::End);
        return totals ? *totals : MoveTotals{};
    }
    void expect_same() const {
        std::vector<std::byte> a(kPages * kBytes), b(kPages * kBytes);
        uint64_t at = image_.regions(0).start();
        ASSERT_TRUE(RemoteMemory(source_->pid()).read(at, a));
        ASSERT_TRUE(RemoteMemory(sink_->pid()).read(at, b));
        for (size_t page = 0; page < kPages; page++)
            ASSERT_EQ(std::memcmp(&a[page * kBytes], &b[page * kBytes], kBytes), 0) << "page " << page;
    }
    void fill(size_t from, size_t to, int value) const {
        for (size_t page = from; page < to; page++) std::memset(memory_ + page * kBytes, value, kBytes);
    }

    std::unique_ptr<Stream> server_, client_;
    char* memory_ = nullptr;
    wire::Image image_;
    SendOrder order_;
    std::optional<Child> source_, sink_;
    std::unique_ptr<MemoryFollower> follower_;
};

TEST_P(MoversTest, CopiesWhatIsThere) {
    begin({[this] { fill(0, 500, 1), fill(100, 120, 0); }});
    round();
    MoveTotals last = finish();
    expect_same();
    EXPECT_EQ(last.pages, follows() ? 0U : 480U);
}

TEST_P(MoversTest, WhatIsWrittenBetweenRounds) {
    begin({[this] { fill(0, 300, 1); }, [this] { fill(250, 350, 2); }, [this] { fill(10, 11, 3), fill(599, 600, 3); }});
    round();
    source_->step();
    round();
    source_->step();
    MoveTotals last = finish();
    expect_same();
    EXPECT_EQ(last.pages, follows() ? 2U : 351U);
}

TEST_P(MoversTest, PagesGivenBackAndZeros) {
    begin({[this] { fill(0, 300, 1); },
           [this] {
               ::madvise(memory_ + 20 * kBytes, 30 * kBytes, MADV_DONTNEED);
               fill(60, 70, 0);
               ::madvise(memory_ + 80 * kBytes, 10 * kBytes, MADV_DONTNEED);
               fill(85, 86, 4);
           },
           [this] { ::madvise(memory_ + 100 * kBytes, kBytes, MADV_DONTNEED), fill(110, 111, 0); }});
    round();
    source_->step();
    round();
    source_->step();
    finish();
    expect_same();
}

TEST_P(MoversTest, MappingsReplacedAndMoved) {
    begin({[this] { fill(0, 300, 1); },
           [this] {
               auto remap = [this](size_t from, size_t count) {
                   (void)::mmap(memory_ + from * kBytes, count * kBytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
               };
               remap(10, 20);
               fill(12, 13, 5);
               (void)::mremap(memory_ + 50 * kBytes, 5 * kBytes, 5 * kBytes, MREMAP_MAYMOVE | MREMAP_FIXED, memory_ + 200 * kBytes);
               remap(50, 5);
           },
           [this] {
               (void)::mremap(memory_ + 100 * kBytes, 5 * kBytes, 5 * kBytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                              memory_ + 400 * kBytes);
               (void)::mmap(memory_ + 100 * kBytes, 5 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                            0);
           }});
    round();
    source_->step();
    round();
    source_->step();
    finish();
    expect_same();
}

// Between the look at its mappings and that at its pages the program has mapped a file there, and written: what was sent as the old
// mapping's is gone when the other side maps anew, and the kernel tells of no other write.
TEST_P(MoversTest, PagesOfAMappingThatWasReplacedUnnoticed) {
    auto map_anew = [this](int fd, int flags) {
        (void)::mmap(memory_ + 10 * kBytes, 10 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | flags, fd, 0);
    };
    Fd file(::memfd_create("zeros", 0));
    ASSERT_EQ(::ftruncate(file.get(), 10 * kBytes), 0);
    begin({[&] { fill(0, 40, 1), map_anew(file.get(), 0), fill(12, 14, 2); }});
    sink_.emplace(std::vector<std::function<void()>>{[] {}, [&] { map_anew(-1, MAP_ANONYMOUS); }});
    round();
    wire::Region before = image_.regions(0), middle = before, after = before;
    before.set_end(before.start() + 10 * kBytes);
    middle.set_start(before.end()), middle.set_end(before.end() + 10 * kBytes);
    after.set_start(middle.end());
    middle.set_kind(wire::Region::FILE);
    image_.clear_regions();
    for (const auto& r : {before, middle, after}) *image_.add_regions() = r;
    image_.add_files()->set_size(10 * kBytes);
    sink_->step();
    round();
    finish();
    expect_same();
}

TEST_P(MoversTest, ProtectedPages) {
    begin({[this] {
        fill(0, 100, 1);
        ::mprotect(memory_ + 40 * kBytes, 10 * kBytes, PROT_NONE);
        ::mprotect(memory_ + 60 * kBytes, 10 * kBytes, PROT_READ);
    }});
    round();
    finish();
    expect_same();
}

// The way home: the other side has all of it, from before.
TEST_P(MoversTest, OnlyWhatChangedTravelsBack) {
    begin({[this] { fill(0, 400, 1); }, [this] { fill(30, 34, 2), ::madvise(memory_ + 90 * kBytes, kBytes, MADV_DONTNEED); }});
    round();
    finish();
    all_has_arrived();
    source_->step();
    MoveTotals last = finish();
    if (!follows()) return;  // it sends all, to who has nothing
    EXPECT_EQ(last.pages, 4U);
    expect_same();
}

// What it has written before it was told of any arrival is news.
TEST_P(MoversTest, OnlyWhatHasArrivedIsKnown) {
    begin({[this] { fill(0, 40, 1); }});
    if (follows()) {
        follower_->note_installed({image_.regions(0).start() + 10 * kBytes, image_.regions(0).start() + 30 * kBytes});
        follower_->note_dropped({{image_.regions(0).start() + 12 * kBytes, image_.regions(0).start() + 14 * kBytes}});
        ASSERT_TRUE(follower_->settle(image_));
    }
    EXPECT_EQ(finish().pages, follows() ? 22U : 40U);
}

TEST_P(MoversTest, AllTravelsToWhoHasGivenItUp) {
    begin({[this] { fill(0, 400, 1); }});
    all_has_arrived();
    if (follows()) follower_->nothing_is_held();
    EXPECT_EQ(finish().pages, 400U);
    expect_same();
}

INSTANTIATE_TEST_SUITE_P(Movers, MoversTest, testing::Values(false, true),
                         [](const auto& test) { return test.param ? "follower" : "stop"; });

}  // namespace
}  // namespace pmi

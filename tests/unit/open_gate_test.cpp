// Files whose opening is held up, in both ways, against a process that opens one.
#include "runtime/deputy/open_gate.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <string>

#include "runtime/base/fd.h"
#include "runtime/deputy/fanotify_gate.h"
#include "runtime/deputy/lease_gate.h"

namespace pmi {
namespace {

// Another process that opens a file, and says so when it has.
class Opener {
  public:
    explicit Opener(const std::string& path) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        said_.reset(ends[0]);
        Fd theirs(ends[1]);
        pid_ = ::fork();
        if (pid_ != 0) return;
        bool opened = ::open(path.c_str(), O_RDONLY) >= 0;
        (void)!::write(theirs.get(), opened ? "y" : "n", 1);
        ::_exit(0);
    }
    ~Opener() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    bool is_through() const {
        pollfd said{said_.get(), POLLIN, 0};
        return ::poll(&said, 1, 0) == 1;
    }
    char outcome() const {
        char c = 0;
        return ::read(said_.get(), &c, 1) == 1 ? c : '-';
    }

  private:
    Fd said_;
    pid_t pid_ = -1;
};

class OpenGateTest : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-gate-XXXXXX";
        file_.reset(::mkstemp(name));
        ASSERT_TRUE(file_.valid());
        path_ = name;
        auto must_wait = [this](pid_t opener, const struct stat&) {
            if (!is_asked_.exchange(true)) asked_.set_value(opener);
            return waits_;
        };
        if (GetParam()) {
            gate_ = FanotifyGate::create(must_wait);
            if (!gate_) GTEST_SKIP() << "fanotify permission events are not permitted";
        } else {
            auto made = LeaseGate::create(must_wait);
            ASSERT_TRUE(made) << made.error().message();
            gate_ = std::move(*made);
        }
    }
    void TearDown() override { ::unlink(path_.c_str()); }

    Fd file_;
    std::string path_;
    bool waits_ = true;
    std::atomic<bool> is_asked_{false};
    std::promise<pid_t> asked_;
    std::unique_ptr<OpenGate> gate_;
};

TEST_P(OpenGateTest, WhoeverOpensItGoesOnWhenItIsNoLongerGuarded) {
    ASSERT_TRUE(gate_->guard(file_.get()));
    Opener opener(path_);
    asked_.get_future().wait();
    EXPECT_FALSE(opener.is_through());
    gate_->unguard(file_.get());
    EXPECT_EQ(opener.outcome(), 'y');
    Opener later(path_);
    EXPECT_EQ(later.outcome(), 'y');
}

TEST_P(OpenGateTest, OrAtOnceWhenItNeedNotWait) {
    waits_ = false;
    ASSERT_TRUE(gate_->guard(file_.get()));
    Opener opener(path_);
    EXPECT_EQ(opener.outcome(), 'y');
    EXPECT_TRUE(is_asked_);
}

TEST_P(OpenGateTest, OrWhenTheGateEnds) {
    ASSERT_TRUE(gate_->guard(file_.get()));
    Opener opener(path_);
    asked_.get_future().wait();
    gate_.reset();
    EXPECT_EQ(opener.outcome(), 'y');
}

TEST_P(OpenGateTest, GuardedAgain) {
    for (int i = 0; i < 3; i++) {
        ASSERT_TRUE(gate_->guard(file_.get()));
        ASSERT_TRUE(gate_->guard(file_.get()));
        gate_->unguard(file_.get());
    }
    Opener opener(path_);
    EXPECT_EQ(opener.outcome(), 'y');
    EXPECT_FALSE(is_asked_);
}

INSTANTIATE_TEST_SUITE_P(Both, OpenGateTest, ::testing::Bool(),
                         [](const auto& way) { return std::string(way.param ? "Fanotify" : "Lease"); });

// A lease is for the only open file description.
TEST(LeaseGate, NotWhereOthersHaveItOpenOrMapped) {
    char name[] = "/tmp/pmi-gate-XXXXXX";
    Fd file(::mkstemp(name));
    ASSERT_TRUE(file.valid());
    ASSERT_EQ(::ftruncate(file.get(), 4096), 0);
    auto gate = LeaseGate::create([](pid_t, const struct stat&) { return true; });
    ASSERT_TRUE(gate) << gate.error().message();
    Fd other(::open(name, O_RDWR | O_CLOEXEC));
    void* mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, other.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    EXPECT_FALSE((*gate)->guard(file.get()));
    other.reset();
    EXPECT_FALSE((*gate)->guard(file.get()));
    ::munmap(mapped, 4096);
    EXPECT_TRUE((*gate)->guard(file.get()));
    ::unlink(name);
}

}  // namespace
}  // namespace pmi

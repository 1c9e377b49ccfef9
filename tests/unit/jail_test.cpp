// The jail: what guests find in it of their home, and when.
#include "remote/jail/jail.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <optional>

#include "remote/jail/jail_init.h"
#include "remote/jail/stub.h"
#include "runtime/base/fd.h"

namespace {

using namespace pmi;

constexpr uint64_t kAgentBase = 0x200000000000;

class JailTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto jail = Jail::create({});
        if (!jail) GTEST_SKIP() << jail.error().message();
        jail_.emplace(std::move(*jail));
    }
    // A guest that waits for its start, and the text of a file of its /proc as seen from outside.
    std::string text_of_guest(const char* file) {
        auto stub = make_stub(kAgentBase);
        auto spawned = jail_->spawn(HomePid(4711), stub->get(), {});
        if (!spawned) return spawned.error().message();
        auto text = read_file(fmt::format("/proc/{}/{}", spawned->outer, file));
        return text ? *text : text.error().message();
    }
    std::optional<Jail> jail_;
};

TEST_F(JailTest, GuestsHaveTheClocksAndTheNumberThatTheyAreGiven) {
    constexpr int64_t kDay = 86'400'000'000'000;
    ASSERT_TRUE(jail_->furnish({kDay, 2 * kDay, "home"}));
    std::string offsets = text_of_guest("timens_offsets");
    long long monotonic = 0, boottime = 0, outside = 0, outside_boot = 0;
    ASSERT_EQ(std::sscanf(offsets.c_str(), "monotonic %lld %*d boottime %lld", &monotonic, &boottime), 2) << offsets;
    auto own = read_file("/proc/self/timens_offsets");
    ASSERT_TRUE(own);
    ASSERT_EQ(std::sscanf(own->c_str(), "monotonic %lld %*d boottime %lld", &outside, &outside_boot), 2) << *own;
    EXPECT_EQ(monotonic - outside, 86'400);
    EXPECT_EQ(boottime - outside_boot, 2 * 86'400);
}

TEST_F(JailTest, GuestsHaveTheirNumberInside) {
    ASSERT_TRUE(jail_->furnish({0, 0, ""}));
    std::string status = text_of_guest("status");
    EXPECT_NE(status.find("\t4711\n"), std::string::npos) << status;
}

TEST_F(JailTest, TakesNoHostNameThatLinuxDoesNotTake) {
    EXPECT_FALSE(jail_->furnish({0, 0, std::string(kMaxJailHostname + 1, 'x')}));
    EXPECT_TRUE(jail_->furnish({0, 0, std::string(kMaxJailHostname, 'x')}));
}

TEST_F(JailTest, TellsThatAClockCannotBeSoFarBack) {
    auto done = jail_->furnish({-(int64_t{1} << 62), 0, ""});
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().message().find("clocks"), std::string::npos) << done.error().message();
}

}  // namespace

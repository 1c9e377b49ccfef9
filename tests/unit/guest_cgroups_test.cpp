// Where a node's groups would be, and what is written into them; and, where this machine lets us, a group that holds.
#include "remote/jail/guest_cgroups.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "remote/jail/jail_init.h"

namespace pmi {
namespace {

const std::vector<std::string> kAll{"memory", "cpu", "pids"};

std::string text_of(const std::vector<CgroupSetting>& settings) {
    std::string text;
    for (const auto& s : settings) text += s.file + "=" + s.value + ";";
    return text;
}

TEST(GuestCgroups, VersionTwoAlone) {
    auto found = find_hierarchies("0::/user.slice/a b\n",
                                  "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n", kAll);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].own, "/sys/fs/cgroup/user.slice/a b");
    EXPECT_TRUE(found[0].is_v2);
    EXPECT_EQ(found[0].controllers, kAll);
}

TEST(GuestCgroups, VersionOneHasAHierarchyForEach) {
    const char* mounts =
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
    auto found = find_hierarchies("9:name=systemd:/\n4:memory:/box/inner\n1:cpu,cpuacct:/\n0::/\n", mounts, {"memory", "cpu"});
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].own, "/sys/fs/cgroup/memory/inner");
    EXPECT_EQ(found[1].own, "/sys/fs/cgroup/cpu,cpuacct");
    EXPECT_EQ(found[1].controllers, std::vector<std::string>{"cpu"});
    EXPECT_FALSE(found[0].is_v2 || found[1].is_v2);
}

TEST(GuestCgroups, AGroupThatTheMountDoesNotShowIsNone) {
    EXPECT_TRUE(find_hierarchies("4:memory:/other\n", "35 31 0:32 /box /m rw - cgroup cgroup rw,memory\n", kAll).empty());
    EXPECT_TRUE(find_hierarchies("0::/../outside\n", "35 31 0:32 / /m rw - cgroup2 cgroup2 rw\n", kAll).empty());
    EXPECT_TRUE(find_hierarchies("nonsense\n", "neither\n", kAll).empty());
}

TEST(GuestCgroups, SettingsOfBothVersions) {
    GuestLimits limits{64 << 20, 1.5, 50, 30};
    EXPECT_EQ(text_of(settings_of(limits, "memory", true)), "memory.max=67108864;memory.swap.max=0;");
    EXPECT_EQ(text_of(settings_of(limits, "memory", false)),
              "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes=67108864;");
    EXPECT_EQ(text_of(settings_of(limits, "cpu", true)), "cpu.max=150000 100000;cpu.weight=50;");
    EXPECT_EQ(text_of(settings_of(limits, "cpu", false)), "cpu.cfs_period_us=100000;cpu.cfs_quota_us=150000;cpu.shares=512;");
    EXPECT_EQ(text_of(settings_of(limits, "pids", true)), "pids.max=30;");
    EXPECT_TRUE(settings_of({}, "memory", true).empty());
}

TEST(GuestCgroups, WithoutLimitsThereAreNone) {
    GuestCgroups groups = GuestCgroups::create({});
    EXPECT_TRUE(groups.shown().empty() && groups.why_not().empty());
    auto group = groups.make();
    ASSERT_TRUE(group);
    EXPECT_TRUE(group->empty());
}

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// A child in the group, which asks for more memory than it may have.
TEST(GuestCgroups, MemoryIsLimitedAndTheReasonIsKnown) {
    GuestGroup group;
    {
        GuestCgroups groups = GuestCgroups::create({32 << 20, 0, 0, 0});
        if (!groups.why_not().empty()) GTEST_SKIP() << groups.why_not();
        EXPECT_NE(groups.shown().find("memory"), std::string::npos);
        auto made = groups.make();
        ASSERT_TRUE(made) << made.error().message();
        group = *made;
        EXPECT_EQ(killed_for_memory(group), 0u);
        pid_t child = ::fork();
        if (child == 0) {
            for (const auto& directory : group) enter_cgroup(-1, directory.c_str());
            constexpr size_t kMuch = 256 << 20;
            void* memory = ::mmap(nullptr, kMuch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
            ::_exit(memory == MAP_FAILED ? 2 : 0);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
        EXPECT_EQ(killed_for_memory(group), 1u);
        groups.remove(*made);
    }
    for (const auto& directory : group) EXPECT_FALSE(is_there(directory)) << directory;
}

TEST(GuestCgroups, TasksAreCounted) {
    GuestCgroups groups = GuestCgroups::create({0, 0, 0, 2});
    if (!groups.why_not().empty()) GTEST_SKIP() << groups.why_not();
    auto group = groups.make();
    ASSERT_TRUE(group) << group.error().message();
    EXPECT_TRUE(has_room_for_task(*group));
    int hold[2];
    ASSERT_EQ(::pipe(hold), 0);
    pid_t children[2];
    for (pid_t& child : children) {
        child = ::fork();
        if (child != 0) continue;
        ::close(hold[1]);
        for (const auto& directory : *group) enter_cgroup(-1, directory.c_str());
        char byte = 0;
        ::_exit(static_cast<int>(::read(hold[0], &byte, 1)));
    }
    auto is_full = [&] { return !has_room_for_task(*group); };
    for (int i = 0; i < 5000 && !is_full(); i++) ::usleep(1000);
    EXPECT_TRUE(is_full());
    ::close(hold[1]);
    ::close(hold[0]);
    for (pid_t child : children) ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(has_room_for_task(*group));
    groups.remove(*group);
}

TEST(GuestCgroups, LimitsOfGroupsAroundCountToo) {
    GuestCgroups groups = GuestCgroups::create({0, 0, 0, 1});
    if (!groups.why_not().empty()) GTEST_SKIP() << groups.why_not();
    auto outer = groups.make();
    ASSERT_TRUE(outer) << outer.error().message();
    GuestGroup inner;
    for (const auto& directory : *outer) inner.push_back(directory + "/inner");
    for (const auto& directory : inner) ASSERT_EQ(::mkdir(directory.c_str(), 0755), 0);
    GuestGroup all = groups_of_tasks(inner);
    for (const auto& directory : *outer) EXPECT_NE(std::find(all.begin(), all.end(), directory), all.end());
    EXPECT_TRUE(has_room_for_task(all));
    int hold[2];
    ASSERT_EQ(::pipe(hold), 0);
    pid_t child = ::fork();
    if (child == 0) {
        ::close(hold[1]);
        for (const auto& directory : inner) enter_cgroup(-1, directory.c_str());
        char byte = 0;
        ::_exit(static_cast<int>(::read(hold[0], &byte, 1)));
    }
    for (int i = 0; i < 5000 && has_room_for_task(all); i++) ::usleep(1000);
    EXPECT_FALSE(has_room_for_task(all));
    EXPECT_TRUE(has_room_for_task(inner)) << "it has no limit of its own";
    ::close(hold[1]);
    ::close(hold[0]);
    ::waitpid(child, nullptr, 0);
    for (const auto& directory : inner) EXPECT_EQ(::rmdir(directory.c_str()), 0);
    groups.remove(*outer);
}

TEST(GuestCgroups, WhatAKilledNodeLeftIsRemoved) {
    GuestGroup left;
    int pipe_fds[2];
    ASSERT_EQ(::pipe(pipe_fds), 0);
    pid_t child = ::fork();
    if (child == 0) {
        GuestCgroups groups = GuestCgroups::create({0, 0, 0, 10});
        auto group = groups.make();
        std::string text = group && !group->empty() ? group->front() : "";
        (void)!::write(pipe_fds[1], text.data(), text.size());
        ::kill(::getpid(), SIGKILL);
    }
    ::close(pipe_fds[1]);
    char text[4096]{};
    ASSERT_GE(::read(pipe_fds[0], text, sizeof text - 1), 0);
    ::close(pipe_fds[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    if (*text == '\0') GTEST_SKIP() << "no groups can be made here";
    ASSERT_TRUE(is_there(text));
    GuestCgroups next = GuestCgroups::create({0, 0, 0, 10});
    EXPECT_FALSE(is_there(text));
}

}  // namespace
}  // namespace pmi

// What the kernel says of processes in /proc.
#include "runtime/kernel/procfs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include <atomic>
#include <iterator>
#include <thread>
#include <tuple>

#include "runtime/kernel/shared_mappings.h"

namespace pmi {
namespace {

using Entries = std::vector<MapsEntry>;

Entries entries(std::string_view text) {
    auto maps = parse_maps(text);
    EXPECT_TRUE(maps) << maps.error().message();
    if (!maps) return {};
    cut_repeated(*maps);
    return *maps;
}

TEST(Maps, WhatDoesNotOverlapStaysAsItIs) {
    Entries maps = entries("1000-3000 rw-p 00000000 00:00 0 \n3000-5000 r--p 00002000 08:01 77 /a\n");
    ASSERT_EQ(maps.size(), 2u);
    EXPECT_EQ(maps[0].start, 0x1000u);
    EXPECT_EQ(maps[1].start, 0x3000u);
    EXPECT_EQ(maps[1].offset, 0x2000u);
}

TEST(Maps, WhatIsListedAgainCountsFromWhereTheListHasCome) {
    Entries maps = entries("1000-3000 rw-p 00000000 00:00 0 \n1000-6000 r--p 00001000 08:01 77 /a\n");
    ASSERT_EQ(maps.size(), 2u);
    EXPECT_EQ(maps[1].start, 0x3000u);
    EXPECT_EQ(maps[1].end, 0x6000u);
    EXPECT_EQ(maps[1].offset, 0x3000u);
}

TEST(Maps, WhatIsListedTwiceIsThereOnce) {
    Entries maps =
        entries("1000-6000 rw-p 00000000 00:00 0 \n2000-3000 rw-p 00000000 00:00 0 \n6000-7000 rw-p 00000000 00:00 0 \n");
    ASSERT_EQ(maps.size(), 2u);
    EXPECT_EQ(maps[1].start, 0x6000u);
}

TEST(Maps, ALineIsReadWhole) {
    Entries maps = entries("7f00000010-7f00000fff r-xs 0001f000 103:0a 18446744073709551615          /a dir/b: c (deleted)\n");
    ASSERT_EQ(maps.size(), 1u);
    const MapsEntry& e = maps[0];
    EXPECT_EQ(std::tuple(e.start, e.end, e.offset, e.inode), std::tuple(0x7f00000010u, 0x7f00000fffu, 0x1f000u, UINT64_MAX));
    EXPECT_EQ(std::tuple(e.read, e.write, e.exec, e.shared), std::tuple(true, false, true, true));
    EXPECT_EQ(std::tuple(e.dev_major, e.dev_minor), std::tuple(0x103u, 0xau));
    EXPECT_EQ(e.name, "/a dir/b: c (deleted)");
}

TEST(Maps, AnUnknownFormIsAnError) {
    for (const char* line : {"1000-2000 rw-p zz\n", "1000-2000\n", "1000-2000 rw-p 0 00:00\n", "1000-2000 rwxpp 0 00:00 0\n",
                             "2000-1000 rw-p 0 00:00 0\n", "1000-2000 rw-p 0 00:00 x\n"})
        EXPECT_FALSE(parse_maps(line)) << line;
}

TEST(Maps, OfAProgramThatMapsAllTheTimeNothingOverlaps) {
    std::atomic<bool> done = false;
    std::thread mapper([&] {
        constexpr size_t kPage = 4096, kPages = 512;
        void* place = ::mmap(nullptr, kPages * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        auto* at = static_cast<std::byte*>(place);
        while (!done) {  // many small mappings, then one
            for (size_t i = 0; i < kPages; i += 2) ::mprotect(at + i * kPage, kPage, PROT_READ);
            ::mprotect(place, kPages * kPage, PROT_NONE);
        }
        ::munmap(place, kPages * kPage);
    });
    for (int i = 0; i < 50; i++) {
        auto maps = read_maps(::getpid());
        ASSERT_TRUE(maps) << maps.error().message();
        for (size_t n = 1; n < maps->size(); n++) ASSERT_LE((*maps)[n - 1].end, (*maps)[n].start);
    }
    done = true;
    mapper.join();
}

// Whichever way this kernel tells of them.
TEST(Maps, SharedOnesAreThoseOfAll) {
    int memfd = ::memfd_create("a b", MFD_CLOEXEC);
    ASSERT_EQ(::ftruncate(memfd, 8192), 0);
    int segment = ::shmget(IPC_PRIVATE, 4096, 0600);
    ASSERT_GE(segment, 0);
    int own = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    void* mappings[] = {::mmap(nullptr, 8192, PROT_READ, MAP_SHARED, memfd, 0),
                        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 4096),
                        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
                        ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, own, 0),
                        ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, memfd, 0)};
    for (void* m : mappings) ASSERT_NE(m, MAP_FAILED);
    void* attached = ::shmat(segment, nullptr, 0);
    ::shmctl(segment, IPC_RMID, nullptr);
    auto all = read_maps(::getpid());
    ASSERT_TRUE(all);
    std::erase_if(*all, [](const MapsEntry& e) { return !e.shared || !e.has_file(); });
    auto shared = read_shared_mappings(::getpid());
    ASSERT_TRUE(shared) << shared.error().message();
    ASSERT_EQ(shared->size(), all->size());
    EXPECT_GE(shared->size(), 5u);
    for (size_t i = 0; i < all->size(); i++) {
        const MapsEntry &a = (*shared)[i], &b = (*all)[i];
        EXPECT_EQ(std::tie(a.start, a.end, a.read, a.write, a.exec, a.shared, a.offset, a.dev_major, a.dev_minor, a.inode, a.name),
                  std::tie(b.start, b.end, b.read, b.write, b.exec, b.shared, b.offset, b.dev_major, b.dev_minor, b.inode, b.name));
    }
    ::shmdt(attached);
    ::munmap(mappings[0], 8192);
    for (size_t i = 1; i < std::size(mappings); i++) ::munmap(mappings[i], 4096);
    ::close(memfd), ::close(own);
}

TEST(Maps, NoSharedOnesOfWhatIsNotThere) { EXPECT_FALSE(read_shared_mappings(INT_MAX)); }

TEST(Status, SignalsThatWait) {
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN);
    ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &one, &before), 0);
    constexpr int kSignals = 3;
    for (int i = 0; i < kSignals; i++) ASSERT_EQ(::sigqueue(::getpid(), SIGRTMIN, sigval{}), 0);
    auto status = read_status(::getpid());
    for (int i = 0; i < kSignals; i++) ASSERT_EQ(::sigwaitinfo(&one, nullptr), SIGRTMIN);
    ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
    ASSERT_TRUE(status);
    uint64_t bit = uint64_t{1} << (SIGRTMIN - 1);
    EXPECT_NE(status->sig_blocked & bit, 0U);
    EXPECT_NE((status->sig_pending | status->shared_pending) & bit, 0U);
    EXPECT_GE(status->queued_signals, uint64_t{kSignals});  // of all processes of the user
}

}  // namespace
}  // namespace pmi

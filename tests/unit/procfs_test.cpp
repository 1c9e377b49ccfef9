// What the kernel says of processes in /proc.
#include "runtime/kernel/procfs.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <thread>

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

TEST(Maps, AnUnknownFormIsAnError) { EXPECT_FALSE(parse_maps("1000-2000 rw-p zz\n")); }

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

}  // namespace
}  // namespace pmi

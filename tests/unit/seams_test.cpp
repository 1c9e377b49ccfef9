// Mappings of our own that are several and should be one, joined by calls that we make ourselves.
#include "runtime/memory/seams.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/kernel/procfs.h"
#include "runtime/memory/regions.h"

namespace pmi {
namespace {

constexpr size_t kPages = 16;
constexpr int kNever = -1;

class SeamsTest : public testing::Test {
  protected:
    // Nothing around it that it could merge with.
    void SetUp() override {
        place_ = static_cast<char*>(::mmap(nullptr, (kPages + 2) * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(place_, MAP_FAILED);
        memory_ = place_ + kPage;
        ASSERT_EQ(::munmap(memory_, kPages * kPage), 0);
    }
    void TearDown() override { ::munmap(place_, (kPages + 2) * kPage); }

    // Pages [from, to) become a mapping and are written to, which gives it an anon_vma.
    void map(size_t from, size_t to, int protection = PROT_READ | PROT_WRITE) {
        void* at = memory_ + from * kPage;
        ASSERT_EQ(::mmap(at, (to - from) * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), at);
        for (size_t n = from; n < to; n++) memory_[n * kPage] = static_cast<char>(n + 1);
        ASSERT_EQ(::mprotect(at, (to - from) * kPage, protection), 0);
    }
    // The two ends first: what then fills the gap can't be one with both.
    void map_with_seam(int protection = PROT_READ | PROT_WRITE) {
        map(0, 4, protection);
        map(10, kPages, protection);
        map(4, 10, protection);
        ASSERT_GT(mappings(), 1U);
    }
    size_t mappings() const {
        auto maps = read_maps(::getpid());
        if (!maps) return 0;
        uint64_t start = address(0), end = address(kPages);
        return static_cast<size_t>(
            std::count_if(maps->begin(), maps->end(), [&](const MapsEntry& m) { return m.start < end && start < m.end; }));
    }
    uint64_t address(size_t page) const { return reinterpret_cast<uint64_t>(memory_) + page * kPage; }
    wire::Image wanted(int protection = PROT_READ | PROT_WRITE) const {
        wire::Image image;
        wire::Region& r = *image.add_regions();
        r.set_kind(wire::Region::ANONYMOUS);
        r.set_start(address(0)), r.set_end(address(kPages));
        r.set_protection(static_cast<uint32_t>(protection));
        return image;
    }
    Status join(const wire::Image& image, int64_t refused = kNever) const {
        return join_mappings(::getpid(), image, [&](int64_t nr, const std::array<uint64_t, 6>& a) -> Expected<int64_t> {
            if (nr == refused) return -ENOMEM;
            long result = ::syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
            return result < 0 ? -errno : result;
        });
    }
    void expect_contents() const {
        for (size_t n = 0; n < kPages; n++) EXPECT_EQ(memory_[n * kPage], static_cast<char>(n + 1)) << "page " << n;
    }

    char *place_ = nullptr, *memory_ = nullptr;
};

TEST_F(SeamsTest, SeveralBecomeOneThatMremapTakes) {
    map_with_seam();
    ASSERT_TRUE(join(wanted()));
    EXPECT_EQ(mappings(), 1U);
    expect_contents();
    void* moved = ::mremap(memory_, kPages * kPage, 2 * kPages * kPage, MREMAP_MAYMOVE);
    EXPECT_NE(moved, MAP_FAILED);
    if (moved != MAP_FAILED) ::munmap(moved, 2 * kPages * kPage);
}

TEST_F(SeamsTest, WhatCantBeReadOrWrittenKeepsItsContents) {
    map_with_seam(PROT_NONE);
    ASSERT_TRUE(join(wanted(PROT_NONE)));
    EXPECT_EQ(mappings(), 1U);
    ASSERT_EQ(::mprotect(memory_, kPages * kPage, PROT_READ), 0);
    expect_contents();
}

TEST_F(SeamsTest, WhereItCantGrowMemoryIsMappedAnew) {
    map_with_seam();
    ASSERT_TRUE(join(wanted(), SYS_mremap));
    expect_contents();
}

TEST_F(SeamsTest, WhatIsNoRegionOfItsOwnIsLeftAlone) {
    map_with_seam();
    size_t before = mappings();
    wire::Image image = wanted();
    image.mutable_regions(0)->set_end(address(4));
    ASSERT_TRUE(join(image));
    EXPECT_EQ(mappings(), before);
    image = wanted();
    ASSERT_EQ(::munmap(memory_ + 6 * kPage, kPage), 0);
    before = mappings();
    ASSERT_TRUE(join(image));
    EXPECT_EQ(mappings(), before);
}

TEST_F(SeamsTest, OneThatLooksDifferentIsLeftAlone) {
    map_with_seam();
    ASSERT_EQ(::mprotect(memory_ + 12 * kPage, kPage, PROT_READ), 0);
    size_t before = mappings();
    ASSERT_TRUE(join(wanted()));
    EXPECT_EQ(mappings(), before);
    expect_contents();
}

}  // namespace
}  // namespace pmi

// What comes out of a store is what went in, whatever has become of its entries meanwhile.
#include "remote/movers/page_store.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <thread>
#include <vector>

namespace pmi {
namespace {

using Page = std::vector<std::byte>;

Page page_of(uint64_t number) {
    Page page(kStoredPage, std::byte{7});
    std::memcpy(page.data(), &number, sizeof number);
    return page;
}

PageStore open_store(const Fd& memory) {
    auto store = PageStore::open(Fd(::dup(memory.get())));
    EXPECT_TRUE(store) << store.error().message();
    return std::move(*store);
}

bool has(const PageStore& store, uint64_t number) {
    Page page = page_of(number), got(kStoredPage);
    return store.get(hash_page(page, store.key()), got) && got == page;
}

TEST(PageStore, FindsWhatAnotherSessionHasPut) {
    auto memory = PageStore::make(64 * kStoredPage);
    ASSERT_TRUE(memory) << memory.error().message();
    PageStore first = open_store(*memory), second = open_store(*memory);
    EXPECT_EQ(first.pages(), 0u);
    for (uint64_t i = 0; i < 40; i++) first.put(page_of(i));
    first.put(page_of(3));  // known already
    EXPECT_EQ(second.pages(), 40u);
    for (uint64_t i = 0; i < 40; i++) EXPECT_TRUE(has(second, i)) << i;
    EXPECT_FALSE(has(second, 40));
}

TEST(PageStore, TheOldestMakeRoom) {
    auto memory = PageStore::make(64 * kStoredPage);
    ASSERT_TRUE(memory);
    PageStore store = open_store(*memory);
    for (uint64_t i = 0; i < 1000; i++) store.put(page_of(i));
    EXPECT_EQ(store.pages(), 64u);
    for (uint64_t i = 0; i < 1000 - 64; i++) EXPECT_FALSE(has(store, i)) << i;
    int kept = 0;
    for (uint64_t i = 1000 - 64; i < 1000; i++) kept += has(store, i);
    EXPECT_GE(kept, 60);  // an entry may have had to give way to its neighbours
}

TEST(PageStore, AnotherKeyFindsNothing) {
    auto one = PageStore::make(64 * kStoredPage), other = PageStore::make(64 * kStoredPage);
    ASSERT_TRUE(one && other);
    PageStore mine = open_store(*one), theirs = open_store(*other);
    mine.put(page_of(1));
    Page got(kStoredPage);
    EXPECT_FALSE(mine.get(hash_page(page_of(1), theirs.key()), got));
}

// Sessions write at the same time, and over each other's entries: an answer is right, or there is none.
TEST(PageStore, NeverWrongWhileOthersWrite) {
    auto memory = PageStore::make(32 * kStoredPage);
    ASSERT_TRUE(memory);
    PageStore one = open_store(*memory), two = open_store(*memory);
    std::thread writer([&] {
        for (uint64_t i = 0; i < 20000; i++) one.put(page_of(i));
    });
    Page got(kStoredPage);
    for (uint64_t i = 0; i < 20000; i++) {
        Page page = page_of(i);
        if (two.get(hash_page(page, two.key()), got)) {
            EXPECT_EQ(got, page);
        }
    }
    writer.join();
}

TEST(PageStore, ErrorNoStore) {
    EXPECT_FALSE(PageStore::make(100));
    Fd empty(::memfd_create("empty", MFD_CLOEXEC));
    EXPECT_FALSE(PageStore::open(std::move(empty)));
    Fd zeros(::memfd_create("zeros", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(zeros.get(), 1 << 20), 0);
    EXPECT_FALSE(PageStore::open(std::move(zeros)));
}

}  // namespace
}  // namespace pmi

// Files of this machine that a mapped one of another machine may be the same as.
#include "runtime/guest/own_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace pmi {
namespace {

constexpr size_t kSize = 2 * kStoredPage + 100;

class OwnFilesTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-own-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
        ASSERT_EQ(::chmod(name, 0755), 0);
        auto key = make_page_key();
        ASSERT_TRUE(key);
        key_ = *key;
        for (size_t i = 0; i < kSize; i++) contents_.push_back(static_cast<char>(i * 7 + i / kStoredPage));
        write("libx.so", contents_);
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    void write(const std::string& name, const std::string& bytes) {
        std::ofstream(path(name), std::ios::binary) << bytes;
        ASSERT_EQ(::chmod(path(name).c_str(), 0644), 0);
    }
    wire::MappedFile file(const std::string& name, uint64_t size = kSize) const {
        wire::MappedFile f;
        f.set_name(name);
        f.set_size(size);
        return f;
    }
    // As home shows the page: whole, with zeros behind the file's end.
    std::vector<std::byte> page_at(size_t offset) const {
        std::vector<std::byte> page(kStoredPage);
        for (size_t i = 0; i < kStoredPage && offset + i < contents_.size(); i++)
            page[i] = static_cast<std::byte>(contents_[offset + i]);
        return page;
    }
    // Whether the page is found, and is what was asked for.
    bool finds(OwnFiles& own, const wire::MappedFile& f, size_t offset) const {
        auto wanted = page_at(offset);
        std::vector<std::byte> page(kStoredPage, std::byte{0x55});
        bool found = own.get(f, offset, hash_page(wanted, key_), page);
        EXPECT_TRUE(!found || page == wanted);
        return found;
    }

    std::string directory_, contents_;
    PageKey key_{};
};

TEST_F(OwnFilesTest, TheSameFileHasItsPages) {
    OwnFiles own(key_);
    for (size_t offset : {size_t{0}, kStoredPage, 2 * kStoredPage}) EXPECT_TRUE(finds(own, file(path("libx.so")), offset)) << offset;
    EXPECT_FALSE(finds(own, file(path("libx.so")), 3 * kStoredPage));
}

TEST_F(OwnFilesTest, APageThatDiffersIsNotUsed) {
    std::string other = contents_;
    other[kStoredPage + 5] ^= 1;
    write("libx.so", other);
    OwnFiles own(key_);
    EXPECT_TRUE(finds(own, file(path("libx.so")), 0));
    EXPECT_FALSE(finds(own, file(path("libx.so")), kStoredPage));
    EXPECT_TRUE(finds(own, file(path("libx.so")), 2 * kStoredPage));
}

TEST_F(OwnFilesTest, WhatIsWrittenAfterwardsIsNotUsed) {
    OwnFiles own(key_);
    EXPECT_TRUE(finds(own, file(path("libx.so")), 0));
    write("libx.so", std::string(kSize, 'x'));
    EXPECT_FALSE(finds(own, file(path("libx.so")), 0));
}

TEST_F(OwnFilesTest, ItHasToFitInSizeAndName) {
    write("short", contents_.substr(1));
    OwnFiles own(key_);
    EXPECT_FALSE(finds(own, file(path("short")), 0));
    EXPECT_FALSE(finds(own, file(path("none")), 0));
    EXPECT_FALSE(finds(own, file(directory_), 0));
    EXPECT_FALSE(finds(own, file("libx.so"), 0));
    EXPECT_FALSE(finds(own, file(""), 0));
    EXPECT_FALSE(finds(own, file("/proc/self/../.." + path("libx.so")), 0));
    EXPECT_TRUE(finds(own, file(path("libx.so")), 0));
    wire::MappedFile memory = file(path("libx.so"));
    memory.set_shared_memory(true);
    OwnFiles again(key_);
    EXPECT_FALSE(finds(again, memory, 0));
}

TEST_F(OwnFilesTest, OnlyWhatEverybodyMayRead) {
    ASSERT_EQ(::chmod(path("libx.so").c_str(), 0640), 0);
    OwnFiles own(key_);
    EXPECT_FALSE(finds(own, file(path("libx.so")), 0));
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::chmod(path("libx.so").c_str(), 0644), 0);
    ASSERT_EQ(::chmod(directory_.c_str(), 0700), 0);
    OwnFiles again(key_);
    EXPECT_FALSE(finds(again, file(path("libx.so")), 0));
    // Our own rights are as before.
    EXPECT_EQ(::access(path("libx.so").c_str(), R_OK), 0);
    std::ofstream mine(path("mine"));
    EXPECT_TRUE(mine.good());
    struct stat st {};
    ASSERT_EQ(::stat(path("mine").c_str(), &st), 0);
    EXPECT_EQ(st.st_uid, 0U);
    EXPECT_EQ(st.st_gid, ::getegid());
}

}  // namespace
}  // namespace pmi

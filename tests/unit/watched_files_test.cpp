// Files that a program maps while it is away: which are watched, what changes them, and what is stored in them. The program is
// this process.
#include "runtime/deputy/watched_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/memory/regions.h"

namespace pmi {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class WatchedFilesTest : public ::testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-watched-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override {
        for (const auto& name : made_) ::unlink(name.c_str());
        ::rmdir(directory_.c_str());
    }
    Fd make_file(const std::string& name, const std::string& contents, int flags = O_RDWR) {
        made_.push_back(directory_ + "/" + name);
        Fd fd(::open(made_.back().c_str(), flags | O_CREAT | O_CLOEXEC, 0600));
        Fd writer(::open(made_.back().c_str(), O_WRONLY | O_CLOEXEC));
        EXPECT_EQ(::write(writer.get(), contents.data(), contents.size()), static_cast<ssize_t>(contents.size()));
        return fd;
    }
    static std::string contents_of(const Fd& fd) {
        std::string text(100'000, '\0');
        ssize_t n = ::pread(fd.get(), text.data(), text.size(), 0);
        text.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
        return text;
    }
    // Watched as one that the program stores in; gives its number.
    uint32_t watch(const Fd& fd) {
        auto watched = files_.watch_shared(self_, self_, fd.get());
        EXPECT_TRUE(watched) << watched.error().message();
        return files_.number_of(self_, self_, fd.get());
    }
    Call call_of(int64_t nr, uint64_t a0, uint64_t a1 = 0, uint64_t a2 = 0) const {
        Call call;
        call.nr = nr;
        call.args = {a0, a1, a2, 0, 0, 0};
        return call;
    }
    bool would_change(int64_t nr, uint64_t a0, uint64_t a1 = 0, uint64_t a2 = 0) const {
        return files_.would_change(self_, self_, call_of(nr, a0, a1, a2));
    }
    const HomePid self_{::getpid()};
    WatchedFiles files_;
    std::string directory_;
    std::vector<std::string> made_;
};

TEST_F(WatchedFilesTest, StoresGetIntoTheFileAndAreNoChange) {
    Fd fd = make_file("f", "0123456789");
    uint32_t number = watch(fd);
    ASSERT_NE(number, 0U);
    std::vector<FileRun> runs{{2, 3}, {7, 1}};
    ASSERT_TRUE(files_.write_back(number, runs, bytes_of("abcX")));
    EXPECT_EQ(contents_of(fd), "01abc56X89");
    EXPECT_FALSE(files_.changed(self_));
}

TEST_F(WatchedFilesTest, AnybodysWriteIsAChangeForGood) {
    Fd fd = make_file("f", "0123456789"), other = make_file("g", "x");
    watch(fd);
    EXPECT_FALSE(files_.changed(self_));
    EXPECT_EQ(::pwrite(other.get(), "y", 1, 0), 1);
    EXPECT_FALSE(files_.changed(self_)) << "another file";
    EXPECT_EQ(::pwrite(fd.get(), "y", 1, 0), 1);
    EXPECT_TRUE(files_.changed(self_));
    EXPECT_TRUE(files_.changed(self_));
    files_.forget(self_);
    EXPECT_FALSE(files_.changed(self_));
    watch(fd);
    EXPECT_FALSE(files_.changed(self_));
    EXPECT_EQ(::ftruncate(fd.get(), 4), 0);
    EXPECT_TRUE(files_.changed(self_));
}

TEST_F(WatchedFilesTest, StoresBehindTheEndAreNotTheFiles) {
    Fd fd = make_file("f", std::string(5000, 'a'));
    uint32_t number = watch(fd);
    std::vector<FileRun> runs{{4998, 4}, {6000, 2}, {9000, 1}};
    ASSERT_TRUE(files_.write_back(number, runs, bytes_of("bcdefgh")));
    std::string now = contents_of(fd);
    EXPECT_EQ(now.size(), 5000U);
    EXPECT_EQ(now.substr(4996), "aabc");
}

TEST_F(WatchedFilesTest, ANodeThatLiesIsRefused) {
    Fd fd = make_file("f", std::string(20'000, 'a'));
    uint32_t number = watch(fd);
    std::string text(100, 'x');
    EXPECT_FALSE(files_.write_back(number + 1, std::vector<FileRun>{{0, 1}}, bytes_of(text)));
    EXPECT_FALSE(files_.write_back(0, std::vector<FileRun>{{0, 1}}, bytes_of(text)));
    EXPECT_FALSE(files_.write_back(number, std::vector<FileRun>{{0, 101}}, bytes_of(text))) << "more than there is";
    EXPECT_FALSE(files_.write_back(number, std::vector<FileRun>{{8192, 1}, {100, 1}}, bytes_of(text))) << "out of order";
    ASSERT_EQ(::ftruncate(fd.get(), off_t{64} << 20), 0);
    EXPECT_FALSE(files_.write_back(number, std::vector<FileRun>{{0, 1}, {32U << 20, 1}}, bytes_of(text))) << "too far";
    EXPECT_TRUE(files_.write_back(number, std::vector<FileRun>{{UINT64_MAX - 10, 5}}, bytes_of(text))) << "behind the end";
}

TEST_F(WatchedFilesTest, StoresThatAreNotTakenAreToldOnce) {
    Fd fd(::memfd_create("sealed later", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
    uint32_t number = watch(fd);
    std::vector<FileRun> runs{{0, 1}};
    ASSERT_TRUE(files_.write_back(number, runs, bytes_of("a")));
    EXPECT_FALSE(files_.has_lost(self_));
    ASSERT_EQ(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
    EXPECT_FALSE(files_.write_back(number, runs, bytes_of("b")));
    EXPECT_FALSE(files_.write_back(number, runs, bytes_of("c")));
    EXPECT_TRUE(files_.has_lost(self_));
    EXPECT_FALSE(files_.has_lost(HomePid(1)));
    auto lost = files_.take_lost();
    ASSERT_EQ(lost.size(), 1U);
    EXPECT_EQ(lost[0].pid, self_);
    EXPECT_NE(lost[0].why.find("sealed later"), std::string::npos) << lost[0].why;
    EXPECT_TRUE(files_.take_lost().empty());
    files_.forget(self_);
    EXPECT_FALSE(files_.has_lost(self_));
}

TEST_F(WatchedFilesTest, WhatCanOnlyBeReadIsOnlyWatched) {
    Fd fd = make_file("f", "0123", O_RDONLY), writer = make_file("f", "0123");
    EXPECT_EQ(watch(fd), 0U);
    EXPECT_FALSE(files_.has_stores(self_));
    EXPECT_EQ(::pwrite(writer.get(), "y", 1, 0), 1);
    EXPECT_TRUE(files_.changed(self_));
    EXPECT_NE(watch(writer), 0U) << "mapped once more, to store in it";
    EXPECT_TRUE(files_.has_stores(self_));
    EXPECT_EQ(files_.number_of(self_, self_, fd.get()), files_.number_of(self_, self_, writer.get()));
}

TEST_F(WatchedFilesTest, CallsThatWouldChangeAFileThatIsStoredIn) {
    Fd fd = make_file("f", "0123456789"), other = make_file("g", "x");
    auto number = static_cast<uint64_t>(fd.get()), another = static_cast<uint64_t>(other.get());
    EXPECT_FALSE(would_change(SYS_write, number));
    watch(fd);
    for (int64_t nr : {SYS_write, SYS_pwrite64, SYS_writev, SYS_ftruncate, SYS_fallocate, SYS_sendfile}) {
        EXPECT_TRUE(would_change(nr, number)) << nr;
        EXPECT_FALSE(would_change(nr, another)) << nr;
    }
    EXPECT_TRUE(would_change(SYS_copy_file_range, another, 0, number));
    EXPECT_FALSE(would_change(SYS_copy_file_range, number, 0, another));
    EXPECT_TRUE(would_change(SYS_fcntl, number, F_ADD_SEALS));
    EXPECT_FALSE(would_change(SYS_fcntl, number, F_GETFL));
    EXPECT_FALSE(would_change(SYS_read, number));
    EXPECT_FALSE(would_change(SYS_write, 9999));
    EXPECT_FALSE(files_.would_change(HomePid(1), self_, call_of(SYS_write, number))) << "of another process";
}

TEST_F(WatchedFilesTest, DescriptorsThatCantBeMappedSo) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    EXPECT_FALSE(files_.watch_shared(self_, self_, ends[0]));
    ::close(ends[0]), ::close(ends[1]);
    EXPECT_TRUE(files_.watch_shared(self_, self_, 9999)) << "mmap says EBADF";
    Fd write_only = make_file("f", "x", O_WRONLY);
    EXPECT_TRUE(files_.watch_shared(self_, self_, write_only.get())) << "mmap says EACCES";
    EXPECT_FALSE(files_.has_stores(self_));
    Fd sealed(::memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(sealed.get(), 4096), 0);
    ASSERT_EQ(::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
    EXPECT_FALSE(files_.watch_shared(self_, self_, sealed.get()));
}

TEST_F(WatchedFilesTest, AChildWatchesAndDoesNotStore) {
    Fd fd = make_file("f", "0123456789");
    watch(fd);
    HomePid child(self_.value + 1);
    files_.inherit(self_, child);
    EXPECT_FALSE(files_.has_stores(child));
    files_.forget(self_);
    EXPECT_FALSE(files_.changed(child));
    EXPECT_EQ(::pwrite(fd.get(), "y", 1, 0), 1);
    EXPECT_TRUE(files_.changed(child)) << "the watch is shared, and stays";
    EXPECT_FALSE(files_.changed(self_));
}

// An image with one mapped file of this process.
wire::Image image_of(void* at, size_t size, const std::string& name, bool shared, bool stored_in) {
    struct stat st {};
    EXPECT_EQ(::stat(name.c_str(), &st), 0);
    wire::Image image;
    auto& file = *image.add_files();
    file.set_index(0);
    file.set_device(uint64_t{major(st.st_dev)} << 32 | minor(st.st_dev));
    file.set_inode(st.st_ino);
    file.set_name(name);
    auto& region = *image.add_regions();
    region.set_kind(wire::Region::FILE);
    region.set_start(reinterpret_cast<uint64_t>(at));
    region.set_end(reinterpret_cast<uint64_t>(at) + size);
    region.set_protection(PROT_READ);
    region.set_shared(shared);
    region.set_vm_flags(stored_in ? "rd mr mw" : "rd mr");
    region.set_file(0);
    return image;
}

TEST_F(WatchedFilesTest, AnImagesFilesGetNumbersWhereTheyAreStoredIn) {
    Fd fd = make_file("f", "0123456789");
    struct {
        bool shared, stored_in;
    } cases[] = {{true, true}, {true, false}, {false, false}};
    for (auto c : cases) {
        WatchedFiles files;
        wire::Image image = image_of(nullptr, 4096, made_.back(), c.shared, c.stored_in);
        ASSERT_TRUE(files.watch_image(self_, self_, image));
        EXPECT_EQ(image.files(0).written_back() != 0, c.stored_in);
        EXPECT_EQ(files.has_stores(self_), c.stored_in);
        EXPECT_EQ(::pwrite(fd.get(), "y", 1, 0), 1);
        EXPECT_TRUE(files.changed(self_));
    }
}

TEST_F(WatchedFilesTest, AFileThatCantBeWrittenKeepsAtHomeWhoStoresInIt) {
    Fd sealed(::memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(sealed.get(), 4096), 0);
    ASSERT_EQ(::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
    wire::Image image = image_of(nullptr, 4096, "/proc/self/fd/" + std::to_string(sealed.get()), true, true);
    auto watched = files_.watch_image(self_, self_, image);
    ASSERT_FALSE(watched);
    EXPECT_NE(watched.error().message().find("cantmove"), std::string::npos);
}

TEST_F(WatchedFilesTest, TheLastStoresAreWaitedFor) {
    EXPECT_TRUE(files_.wait_flushed(self_, 0)) << "nobody has asked";
    files_.expect_flush(self_);
    EXPECT_FALSE(files_.wait_flushed(self_, 1));
    EXPECT_TRUE(files_.wait_flushed(self_, 0)) << "once";
    files_.expect_flush(self_);
    std::thread node([&] { files_.note_flushed(self_); });
    EXPECT_TRUE(files_.wait_flushed(self_, 10'000));
    node.join();
}

}  // namespace
}  // namespace pmi

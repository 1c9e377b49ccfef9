// Files that somebody changes: told by the kernel, and looked at.
#include "runtime/deputy/file_changes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "runtime/base/fd.h"

namespace pmi {
namespace {

using Tell = FileChanges::Tell;

class FileChangesTest : public ::testing::TestWithParam<bool> {
  protected:
    FileChangesTest() : file_(::memfd_create("changes", MFD_CLOEXEC)) {}
    void write(const char* text) const { EXPECT_EQ(::write(file_.get(), text, 1), 1); }
    Fd open_again() const { return Fd(::open(("/proc/self/fd/" + std::to_string(file_.get())).c_str(), O_RDWR | O_CLOEXEC)); }
    std::vector<FileChanges::Change> taken() {
        std::vector<FileChanges::Change> all;
        changes_->take([&](const FileChanges::Change& change) { all.push_back(change); });
        return all;
    }
    Fd file_;
    std::unique_ptr<FileChanges> changes_ = GetParam() ? FileChanges::create() : make_polled_changes();
};

TEST_P(FileChangesTest, AWriteIsTold) {
    write("a");
    auto number = changes_->watch(open_again().get(), Tell::Changes);
    ASSERT_TRUE(number) << number.error().message();
    EXPECT_TRUE(taken().empty());
    write("b");
    auto all = taken();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].number, *number);
    EXPECT_TRUE(all[0].changed);
    EXPECT_TRUE(taken().empty());
}

TEST_P(FileChangesTest, WhatIsForgottenIsNotTold) {
    auto number = changes_->watch(file_.get(), Tell::Changes);
    ASSERT_TRUE(number) << number.error().message();
    changes_->forget(*number);
    write("a");
    for (const auto& change : taken()) EXPECT_FALSE(change.changed);
}

TEST_P(FileChangesTest, OnlyTheKernelTellsOfOpening) {
    auto number = changes_->watch(file_.get(), Tell::ChangesAndOpening);
    if (changes_->fd() < 0) {
        ASSERT_FALSE(number);
        EXPECT_EQ(number.error().code(), EMFILE);
        return;
    }
    ASSERT_TRUE(number) << number.error().message();
    (void)open_again();
    auto all = taken();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_TRUE(all[0].opened);
    EXPECT_FALSE(all[0].changed);
}

INSTANTIATE_TEST_SUITE_P(Ways, FileChangesTest, ::testing::Values(true, false),
                         [](const auto& way) { return way.param ? "Notified" : "Polled"; });

}  // namespace
}  // namespace pmi

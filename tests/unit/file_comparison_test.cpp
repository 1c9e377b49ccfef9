// What a node has of a file is not sent to it; what it has not, or otherwise, is.
#include "remote/movers/file_comparison.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace pmi {
namespace {

constexpr size_t kPages = 5;
using Page = std::array<std::byte, kStoredPage>;

Page page_of(int number) {
    Page page;
    page.fill(static_cast<std::byte>(number + 1));
    return page;
}
void show(size_t number, std::span<std::byte> page) {
    std::memcpy(page.data(), page_of(static_cast<int>(number)).data(), page.size());
}

TEST(FileComparison, SendsWhatIsNotThereAndWhatIsOther) {
    auto key = make_page_key();
    ASSERT_TRUE(key);
    std::vector<std::optional<PageHash>> mine(kPages);
    for (int same : {0, 3}) mine[static_cast<size_t>(same)] = hash_page(page_of(same), *key);
    mine[2] = hash_page(page_of(77), *key);
    auto question = parse_file_question(make_file_question(*key, mine));
    ASSERT_TRUE(question) << question.error().message();
    EXPECT_EQ(question->key, *key);
    EXPECT_EQ(question->hashes, mine);
    ByteBuffer bytes = make_file_answer(*question, show);
    auto answer = parse_file_answer(bytes, kPages);
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->is_same, (std::vector<bool>{true, false, false, true, false}));
    std::vector<std::byte> others;
    for (int other : {1, 2, 4}) {
        Page page = page_of(other);
        others.insert(others.end(), page.begin(), page.end());
    }
    EXPECT_TRUE(std::equal(others.begin(), others.end(), answer->others.begin(), answer->others.end()));
}

TEST(FileComparison, WrongLengthsAreErrors) {
    auto key = make_page_key();
    ASSERT_TRUE(key);
    ByteBuffer question = make_file_question(*key, std::vector<std::optional<PageHash>>(kPages));
    std::span<const std::byte> bytes(question);
    for (size_t size : {size_t{0}, size_t{100}, bytes.size() - 1}) EXPECT_FALSE(parse_file_question(bytes.first(size))) << size;
    ByteBuffer answer = make_file_answer(*parse_file_question(bytes), show);
    std::span<const std::byte> all(answer);
    EXPECT_TRUE(parse_file_answer(all, kPages));
    for (size_t size : {size_t{0}, kPages - 1, kPages, all.size() - 1})
        EXPECT_FALSE(parse_file_answer(all.first(size), kPages)) << size;
    EXPECT_FALSE(parse_file_answer(all, kPages + 1));
}

}  // namespace
}  // namespace pmi

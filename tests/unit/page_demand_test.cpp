#include "remote/wire/page_demand.h"

#include <gtest/gtest.h>

#include <vector>

#include "remote/wire/frames.h"

namespace pmi {
namespace {

std::vector<std::byte> body_of(const PageRange& range, size_t more) {
    auto head = head_bytes(range);
    std::vector<std::byte> body(head.begin(), head.end());
    body.resize(body.size() + more);
    return body;
}
constexpr auto kAsk = static_cast<uint8_t>(DemandType::Ask);
constexpr auto kPages = static_cast<uint8_t>(DemandType::Pages);
constexpr auto kZeros = static_cast<uint8_t>(DemandType::Zeros);
constexpr auto kLost = static_cast<uint8_t>(DemandType::Lost);

TEST(PageDemand, QuestionsAreWholePages) {
    auto ask = parse_page_ask(kAsk, body_of({0x7000, 3, 0}, 0));
    ASSERT_TRUE(ask);
    EXPECT_EQ(ask->where, 0x7000U);
    EXPECT_EQ(ask->pages, 3U);
    EXPECT_FALSE(parse_page_ask(kPages, body_of({0x7000, 3, 0}, 0)));
    EXPECT_FALSE(parse_page_ask(kAsk, body_of({0x7001, 3, 0}, 0)));
    EXPECT_FALSE(parse_page_ask(kAsk, body_of({0x7000, 0, 0}, 0)));
    EXPECT_FALSE(parse_page_ask(kAsk, body_of({0x7000, kMostAsked + 1, 0}, 0)));
    EXPECT_FALSE(parse_page_ask(kAsk, body_of({~uint64_t{0xfff}, 1, 0}, 0)));
    EXPECT_FALSE(parse_page_ask(kAsk, body_of({0x7000, 3, 0}, 1)));
    EXPECT_FALSE(parse_page_ask(kAsk, {}));
}

TEST(PageDemand, AnswersHoldWhatTheySay) {
    auto body = body_of({0x7000, 2, 0}, 2 * 4096);
    auto answer = parse_page_answer(kPages, body);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->bytes.size(), 2U * 4096);
    EXPECT_FALSE(parse_page_answer(kPages, body_of({0x7000, 2, 0}, 4096)));
    EXPECT_TRUE(parse_page_answer(kZeros, body_of({0x7000, 2, 0}, 0)));
    EXPECT_FALSE(parse_page_answer(kZeros, body));
    EXPECT_FALSE(parse_page_answer(kAsk, body_of({0x7000, 2, 0}, 0)));
    EXPECT_FALSE(parse_page_answer(99, {}));
}

TEST(PageDemand, ALossSaysWhy) {
    std::string why = "the disk is gone";
    auto answer = parse_page_answer(kLost, std::as_bytes(std::span(why)));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->why, why);
}

}  // namespace
}  // namespace pmi

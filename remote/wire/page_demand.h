// What travels on the connection for pages that a program needs now, while it runs on a node and its memory still comes: the
// node asks, home answers in the order of the questions. A frame is one byte of type (CallChannel) and one of these heads.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "runtime/base/error.h"

namespace pmi {

enum class DemandType : uint8_t {
    // node -> home
    Ask = 1,  // PageRange
    // home -> node
    Pages,  // PageRange, the bytes of its pages
    Zeros,  // PageRange: all zeros
    Lost,   // text: they can't be had any more, and why
    Ended,  // the program has ended at home
};

constexpr uint32_t kMostAsked = 64;  // pages at once

struct PageRange {
    uint64_t where;
    uint32_t pages;
    uint32_t reserved;
};

Expected<PageRange> parse_page_ask(uint8_t type, std::span<const std::byte> body);

struct PageAnswer {
    DemandType type = DemandType::Ended;
    PageRange range{};
    std::span<const std::byte> bytes;  // of Pages
    std::string why;                   // of Lost
};
Expected<PageAnswer> parse_page_answer(uint8_t type, std::span<const std::byte> body);

}  // namespace pmi

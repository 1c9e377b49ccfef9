#include "remote/wire/page_demand.h"

#include "remote/wire/frames.h"
#include "remote/wire/printable.h"

namespace pmi {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr size_t kMostText = 400;

Expected<PageRange> take_range(std::span<const std::byte>& body) {
    TRY_ASSIGN(auto range, take_head<PageRange>(body));
    uint64_t size = range.pages * kPageBytes;
    bool fits = range.pages > 0 && range.pages <= kMostAsked && range.where % kPageBytes == 0 && range.where + size > range.where;
    if (!fits) return fail("{} pages at {:#x}", range.pages, range.where);
    return range;
}

}  // namespace

Expected<PageRange> parse_page_ask(uint8_t type, std::span<const std::byte> body) {
    if (type != static_cast<uint8_t>(DemandType::Ask)) return fail("a question of type {}", type);
    TRY_ASSIGN(PageRange range, take_range(body));
    if (!body.empty()) return fail("a question with {} bytes more", body.size());
    return range;
}

Expected<PageAnswer> parse_page_answer(uint8_t type, std::span<const std::byte> body) {
    PageAnswer answer;
    answer.type = static_cast<DemandType>(type);
    switch (answer.type) {
        case DemandType::Pages:
        case DemandType::Zeros: {
            TRY_ASSIGN(answer.range, take_range(body));
            uint64_t expected = answer.type == DemandType::Pages ? answer.range.pages * kPageBytes : 0;
            if (body.size() != expected) return fail("{} bytes for {} pages", body.size(), answer.range.pages);
            answer.bytes = body;
            return answer;
        }
        case DemandType::Lost:
            answer.why = printable({reinterpret_cast<const char*>(body.data()), body.size()}, kMostText);
            return answer;
        case DemandType::Ended: return answer;
        default: return fail("an answer of type {}", type);
    }
}

}  // namespace pmi

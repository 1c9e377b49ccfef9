// What a node asks about a file, and what home answers: whatever parses must hold what it says.
#include "remote/movers/file_comparison.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    if (size == 0) return 0;
    std::span body(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
    if (auto question = parse_file_question(body)) {
        auto zeros = [](size_t, std::span<std::byte> page) { std::fill(page.begin(), page.end(), std::byte{0}); };
        ByteBuffer bytes = make_file_answer(*question, zeros);
        if (!parse_file_answer(bytes, question->hashes.size())) std::abort();
    }
    auto answer = parse_file_answer(body, data[0]);
    if (!answer) return 0;
    auto others = static_cast<size_t>(std::count(answer->is_same.begin(), answer->is_same.end(), false));
    if (answer->is_same.size() != data[0] || answer->others.size() != others * kStoredPage) std::abort();
    return 0;
}

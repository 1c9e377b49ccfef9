#include "remote/movers/file_comparison.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace pmi {
namespace {

// On the wire: the key, then these; the answer is a byte for each page, then pages.
struct Asked {
    uint64_t is_there;
    PageHash hash;
};

}  // namespace

ByteBuffer make_file_question(const PageKey& key, std::span<const std::optional<PageHash>> hashes) {
    ByteBuffer bytes;
    bytes.reserve(key.size() + hashes.size() * sizeof(Asked));
    bytes.append(std::as_bytes(std::span(key)));
    for (const auto& hash : hashes) {
        Asked asked{hash ? uint64_t{1} : 0, hash.value_or(PageHash{0, 0})};
        bytes.append(std::as_bytes(std::span(&asked, 1)));
    }
    return bytes;
}

Expected<FileQuestion> parse_file_question(std::span<const std::byte> bytes) {
    FileQuestion question{};
    if (bytes.size() < question.key.size() || (bytes.size() - question.key.size()) % sizeof(Asked) != 0)
        return fail("a question about a file of {} bytes", bytes.size());
    std::memcpy(question.key.data(), bytes.data(), question.key.size());
    for (auto rest = bytes.subspan(question.key.size()); !rest.empty(); rest = rest.subspan(sizeof(Asked))) {
        Asked asked{};
        std::memcpy(&asked, rest.data(), sizeof asked);
        question.hashes.push_back(asked.is_there != 0 ? std::optional(asked.hash) : std::nullopt);
    }
    return question;
}

ByteBuffer make_file_answer(const FileQuestion& question, const ReadShownPage& read) {
    ByteBuffer bytes(question.hashes.size(), std::byte{0});
    std::array<std::byte, kStoredPage> page;
    for (size_t i = 0; i < question.hashes.size(); i++) {
        read(i, page);
        const auto& there = question.hashes[i];
        bool is_same = there && hash_page(page, question.key) == *there;
        if (is_same)
            bytes[i] = std::byte{1};
        else
            bytes.append(page);
    }
    return bytes;
}

Expected<FileAnswer> parse_file_answer(std::span<const std::byte> bytes, size_t pages) {
    FileAnswer answer;
    if (bytes.size() < pages) return fail("an answer about a file of {} bytes for {} pages", bytes.size(), pages);
    for (std::byte b : bytes.first(pages)) answer.is_same.push_back(b != std::byte{0});
    auto others = static_cast<size_t>(std::count(answer.is_same.begin(), answer.is_same.end(), false));
    answer.others = bytes.subspan(pages);
    if (answer.others.size() != others * kStoredPage)
        return fail("an answer about a file of {} bytes for {} pages, {} of them others", bytes.size(), pages, others);
    return answer;
}

}  // namespace pmi

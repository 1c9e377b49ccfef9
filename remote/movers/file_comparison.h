// A file that a program maps when it is away, without what its node has of it already: the node asks with a hash of each page that
// it could show, home answers with the others (CallKind::CompareFile). The key of the hashes is made for this one question: they
// tell nothing about pages to anybody who does not have these. Both directions cross the network: what parses them trusts nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "remote/movers/page_store.h"
#include "runtime/base/byte_buffer.h"
#include "runtime/base/error.h"

namespace pmi {

// What is less than this is sent whole: that takes no longer than to ask.
constexpr uint64_t kWorthComparing = 128 << 10;  // bytes

// `hashes`: one for each page; nothing where the node has none.
ByteBuffer make_file_question(const PageKey& key, std::span<const std::optional<PageHash>> hashes);
struct FileQuestion {
    PageKey key;
    std::vector<std::optional<PageHash>> hashes;
};
Expected<FileQuestion> parse_file_question(std::span<const std::byte> bytes);

// `read`: the page with this number, as the mapping shows it.
using ReadShownPage = std::function<void(size_t number, std::span<std::byte> page)>;
ByteBuffer make_file_answer(const FileQuestion& question, const ReadShownPage& read);
struct FileAnswer {
    std::vector<bool> is_same;
    std::span<const std::byte> others;  // the pages that are not, in their order
};
// Its `others` point into `bytes`.
Expected<FileAnswer> parse_file_answer(std::span<const std::byte> bytes, size_t pages);

}  // namespace pmi

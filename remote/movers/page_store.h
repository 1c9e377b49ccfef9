// Pages that a node has had before, by their contents: what comes again need not travel again. It is shared memory that pmid
// holds and that all sessions of one user have mapped, of a bounded size: the oldest pages make room. Pages are found by a
// hash with a key that is made with the store and told to that user's machines alone, so that nobody else can ask whether a
// page with certain contents has been here. What is found is hashed again before it is used, which also answers for what two
// sessions do at the same time: whatever they make of an entry, it is found or not, but never wrong.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

constexpr size_t kStoredPage = 4096;
using PageKey = std::array<unsigned char, 192>;
struct PageHash {
    uint64_t low, high;
    bool operator==(const PageHash&) const = default;
};
Expected<PageKey> make_page_key();
PageHash hash_page(std::span<const std::byte> page, const PageKey& key);

class PageStore {
  public:
    // Of so many bytes at most; memory is taken as it fills.
    static Expected<Fd> make(uint64_t bytes);
    static Expected<PageStore> open(Fd memory);

    const PageKey& key() const;
    uint64_t pages() const;  // that it holds
    void put(std::span<const std::byte> page);
    bool get(const PageHash& hash, std::span<std::byte> page) const;

  private:
    struct Head;
    struct Slot;
    explicit PageStore(Mapping memory) : memory_(std::move(memory)) {}
    Head& head() const;
    std::span<Slot> index() const;
    std::span<PageHash> hashes() const;  // of what is in each place
    std::byte* place(uint64_t number) const;
    Slot* find(const PageHash& hash) const;
    Slot& slot_for(const PageHash& hash, uint64_t number) const;
    Mapping memory_;
};

}  // namespace pmi

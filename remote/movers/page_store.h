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
    struct Neighbours;
    PageStore(Fd file, Mapping head) : file_(std::move(file)), head_(std::move(head)) {}
    Head& head() const;
    // Where they are in the file.
    uint64_t slot_at(uint64_t number) const;
    uint64_t hash_at(uint64_t place) const;
    uint64_t page_at(uint64_t place) const;
    // The slots in which a hash may be.
    Neighbours neighbours_of(const PageHash& hash) const;
    void forget(uint64_t place);
    Fd file_;
    Mapping head_;
};

}  // namespace pmi

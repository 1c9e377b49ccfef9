// What pmid keeps for its users between their programs' stays: a store of pages (page_store.h) for each, all of them together
// no larger than they may be, and none when memory is short.
#pragma once
#include <cstdint>
#include <list>
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

class PageShelves {
  public:
    // 0 bytes: nothing is kept.
    explicit PageShelves(uint64_t bytes) : most_(bytes) {}
    // The user's, made where there is none yet; stays valid until the next call. -1: none can be had.
    int of(const std::string& user);
    uint64_t bytes() const;  // in use

  private:
    struct Shelf {
        std::string user;
        Fd memory;
    };
    static uint64_t bytes_of(const Shelf& shelf);
    void make_room();
    const uint64_t most_;
    std::list<Shelf> shelves_;  // the one that was used last comes first
};

}  // namespace pmi

#include "remote/pmid/page_shelves.h"

#include <sys/stat.h>

#include <algorithm>

#include "remote/movers/page_store.h"
#include "runtime/base/log.h"
#include "runtime/kernel/memory_info.h"

namespace pmi {

uint64_t PageShelves::bytes_of(const Shelf& shelf) {
    struct stat st {};
    constexpr uint64_t kBlock = 512;
    return ::fstat(shelf.memory.get(), &st) == 0 ? static_cast<uint64_t>(st.st_blocks) * kBlock : 0;
}

uint64_t PageShelves::bytes() const {
    uint64_t sum = 0;
    for (const auto& shelf : shelves_) sum += bytes_of(shelf);
    return sum;
}

void PageShelves::make_room() {
    bool is_short = is_memory_short();
    while (!shelves_.empty() && (is_short || (shelves_.size() > 1 && bytes() > most_))) {
        spdlog::info("{} bytes of pages that were kept for {} are forgotten: {}", bytes_of(shelves_.back()), shelves_.back().user,
                     is_short ? "memory is short" : "others need the room");
        shelves_.pop_back();
    }
}

int PageShelves::of(const std::string& user) {
    if (most_ == 0) return -1;
    auto it = std::find_if(shelves_.begin(), shelves_.end(), [&](const Shelf& s) { return s.user == user; });
    if (it == shelves_.end()) {
        auto made = PageStore::make(most_);
        if (!made) {
            spdlog::warn("nothing is kept for {}: {}", user, made.error().message());
            return -1;
        }
        shelves_.push_front({user, std::move(*made)});
    } else {
        shelves_.splice(shelves_.begin(), shelves_, it);
    }
    make_room();
    return shelves_.empty() ? -1 : shelves_.front().memory.get();
}

}  // namespace pmi

// Asks the destination which pages it has already, from earlier stays (page_store.h) or in files of its own (own_files.h): those
// that it says it has found are in place there and need not be sent.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "remote/movers/page_store.h"
#include "remote/transport/stream.h"
#include "remote/wire/memory_frame.h"
#include "runtime/base/error.h"

namespace pmi {

class PageFinder {
  public:
    // `keeps_pages`: the destination has some of earlier stays.
    PageFinder(const PageKey& key, bool keeps_pages) : key_(key), keeps_pages_(keeps_pages) {}
    // Whether it is worth while to ask for such pages at all: what was asked for before says so.
    bool wants(StreamKind kind) const;
    // Asks for the pages of these runs, whose contents are `pages`. Several questions may be under way; they are answered in
    // their order, with one answer for each page.
    Status ask(StreamKind kind, int32_t pid, std::span<const MemoryRun> runs, std::span<const std::byte* const> pages,
               Stream& stream);
    // `between` is called while it waits.
    Expected<std::vector<bool>> answer(StreamKind kind, size_t pages, Stream& stream, const std::function<Status()>& between);

  private:
    const PageKey key_;
    const bool keeps_pages_;
    uint64_t asked_ = 0, found_ = 0;  // pages of the program's own
};

}  // namespace pmi

// Pages of mapped files that need not travel because this machine has the same file: programs that are moved are mostly made of the
// same libraries everywhere. A file is looked for by its name and size at home, and trusted in nothing: each page is used only if
// it has the hash that home has sent, which has a key that nobody else knows (page_store.h). Read as anybody might: what home
// learns of this machine is whether files that all of its users can read have a content that home knows already.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "remote/movers/page_store.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/fd.h"

namespace pmi {

class OwnFiles {
  public:
    explicit OwnFiles(const PageKey& key) : key_(key) {}

    // The page at `offset` of home's `file`, if it is here with this hash. What the file's last page has behind its end are zeros.
    bool get(const wire::MappedFile& file, uint64_t offset, const PageHash& hash, std::span<std::byte> page);
    // What the file of that name and size has there, which may be anything.
    bool read(const wire::MappedFile& file, uint64_t offset, std::span<std::byte> page);

  private:
    const PageKey key_;
    // The one last looked for: its pages come one after the other.
    std::string name_;
    uint64_t size_ = 0;
    Fd fd_;
};

}  // namespace pmi

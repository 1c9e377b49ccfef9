// What this node has itself of a file that a program has just mapped: in the file's twin, from another mapping of it, or in a file
// of this machine. Home is asked about each page (file_comparison.h); those that it does not have so, it sends. Not for use by
// two threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "remote/movers/file_comparison.h"
#include "remote/wire/frames.h"
#include "remote/wire/image.pb.h"
#include "runtime/guest/file_twins.h"
#include "runtime/guest/own_files.h"

namespace pmi {

class ShownFile {
  public:
    // info.shown bytes of the file, from `offset`. `own`: nullptr where this machine's files are not to be looked at.
    ShownFile(FileTwins& twins, OwnFiles* own, HomePid pid, const MapFileInfo& info, uint64_t offset);
    const MapFileInfo& info() const { return info_; }

    Expected<ByteBuffer> question();
    // Home's answer: puts into the twin what it lacks. False: a file of this machine has changed since, and home has to be asked
    // again, about the twin alone.
    Expected<bool> take(std::span<const std::byte> answer);

  private:
    enum class Source : uint8_t { None, Twin, Own };
    Source look(uint64_t offset, std::span<std::byte> page);

    FileTwins& twins_;
    OwnFiles* own_;
    HomePid pid_;
    MapFileInfo info_;
    uint64_t offset_;
    wire::MappedFile file_;
    PageKey key_{};
    std::vector<Source> sources_;  // of each page
    std::vector<std::optional<PageHash>> hashes_;
};

}  // namespace pmi

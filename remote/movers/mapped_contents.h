// What travels of mapped files: what the destination needs to show the same. A destination other than home has no such
// files: it gets their mapped parts. Home gets what the program has stored, where home has not taken it already.
#pragma once
#include <map>
#include <utility>

#include "remote/movers/memory_sender.h"
#include "remote/movers/mover.h"
#include "runtime/memory/pages.h"
#include "runtime/memory/parts.h"

namespace pmi {

// The parts of each file (device, inode) that the destination has already.
using SentParts = std::map<std::pair<uint64_t, uint64_t>, Parts>;

enum class Files { All, OnlyPrivate };
// `OnlyPrivate`: what nobody can store in through this program's mappings.
struct FilePart {
    uint64_t position;  // file_position()
    uint64_t address, size;
};

// What files have, read through the program's mappings of them.
class FileContents {
  public:
    static Expected<FileContents> open(const SendOrder& order);
    // `bytes`: what the mapping at `address` has just shown of the file. Where that is the program's own, it becomes the file's: a
    // page of its own stays one, so that who looks behind the reading misses none.
    Status show_file(uint64_t position, uint64_t address, std::span<std::byte> bytes) const;

  private:
    FileContents(PageMap pages, ReadFilePage read) : pages_(std::move(pages)), read_(std::move(read)) {}
    PageMap pages_;
    ReadFilePage read_;
};

// For SendOrder::file_page: what an open file has there, and zeros behind its end.
bool read_file_page(int fd, uint64_t offset, std::span<std::byte> page);

// What has not been sent yet; it counts as sent from now on.
std::vector<FilePart> parts_to_send(const SendOrder& order, Files which, SentParts& sent);
// `zeros`: Skip where the other side has nothing yet.
Status send_files(const SendOrder& order, Files which, SentParts& sent, MemorySender& sender, MemorySender::Zeros zeros);
// Stores in shared memory that home does not take back as they are made.
Status send_stores(const SendOrder& order, MemorySender& sender);
// order.whole.
Status send_whole(const SendOrder& order, MemorySender& sender);

}  // namespace pmi

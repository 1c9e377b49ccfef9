// Movers bring the contents of a process's memory to another machine. All stand behind one interface and one conformance
// test: stop and copy (stop_copy.cpp), and what has followed the program while it ran (memory_follower.h). Which one a move
// uses is chosen in round_policy.h.
#pragma once
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "remote/movers/page_store.h"
#include "remote/transport/stream.h"
#include "remote/wire/image.pb.h"
#include "remote/wire/memory_frame.h"
#include "runtime/base/error.h"
#include "runtime/memory/page_set.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/memory.h"

namespace pmi {

class PageFinder;

using ReadFilePage = std::function<bool(uint32_t file, uint64_t offset, std::span<std::byte> page)>;

struct SendOrder {
    pid_t pid = 0;                       // whose memory, in this machine's numbers; stopped
    const wire::Image* image = nullptr;  // its regions
    bool file_contents = false;          // the destination has no such files: send what is mapped of them
    // What a file has at a page of which the program has made a copy of its own: its mapping does not show that. False: it can't be
    // read, and what the mapping shows is sent. Called for as long as the transfer, or its round, lasts.
    ReadFilePage file_page{};
    std::vector<AddressRange> whole;  // ranges that are sent whole, whatever they are
    // For writable shared mappings when file_contents is false: has this page stayed as it came?
    std::function<bool(uint32_t file, uint64_t offset, std::span<const std::byte> page)> unchanged;
    // Before each message, and while the destination takes none: what has been sent, and how many bytes are left to be looked
    // at. An Error ends the transfer.
    std::function<Status(const MoveTotals& sent, uint64_t left)> between;
    PageFinder* finder = nullptr;  // null: the destination has nothing that could be found
    // Set: private anonymous pages are not sent but added here, so that they come later (page_server.h); `at_once` is
    // sent all the same.
    PageSet* later = nullptr;
    PageSet at_once{};
    double link = 0;  // bytes a second; 0: nothing is known
};

class Mover {
  public:
    virtual ~Mover() = default;
    // Sends everything; the caller then sends End.
    virtual Expected<MoveTotals> send(const SendOrder& order, Stream& stream) = 0;
};

std::unique_ptr<Mover> make_stop_copy();

// Whether its pages are the program's alone.
bool is_private(const wire::Region& region);
// Moves what may come later out of `pages`, which are the region's own.
void put_off(const SendOrder& order, const wire::Region& region, PageSet& pages);
// What a program touches as soon as it runs: stacks where they are, what its kernel writes to, thread-local memory.
PageSet touched_at_once(const wire::Image& image);
// Whether a page of zeros is news there.
bool zeros_matter(const wire::Image& image, const wire::Region& region);

// The receiving end, the same for all movers.
class MemoryInstaller {
  public:
    // `file_fd` gives the file that stands for image.files[index] here, -1 for none.
    MemoryInstaller(pid_t pid, const wire::Image& image, std::function<int(uint32_t index)> file_fd);
    // Where the file of a private mapping has been cut off, the program's own pages have gone with what was cut off; those of an
    // image from elsewhere are left out. Otherwise a page that can't be written is an Error.
    void leave_out_behind_file_ends() { leaves_out_ = true; }
    // A Pages or FileData message. Runs outside the image's regions or files are errors, nothing is written then.
    Status install(const StreamView& view);
    // An Offer: what of it is in the store is installed; for each page whether it was.
    // `find` fills in the page for an address, or a file_position(), if there is one with this hash.
    using FindPage = std::function<bool(uint64_t where, const PageHash& hash, std::span<std::byte> page)>;
    Expected<std::vector<std::byte>> install_found(const StreamView& view, const FindPage& find);
    // The runs of a Drop message, checked likewise.
    Expected<std::vector<AddressRange>> dropped(const StreamView& view) const;

  private:
    Status install_pages(const StreamView& view);
    Status install_by_page(MemoryRun run, std::span<const std::byte> bytes);
    bool is_behind_file_end(uint64_t page);
    Status install_file_data(const StreamView& view);
    Status install_one(StreamKind kind, MemoryRun run, std::span<const std::byte> bytes);
    Status store_in_file(MemoryRun run, std::span<const std::byte> bytes);
    bool covered(uint64_t start, uint64_t size) const;
    RemoteMemory memory_;
    const wire::Image& image_;
    std::function<int(uint32_t)> file_fd_;
    std::vector<AddressRange> ranges_;  // merged neighbours of image_.regions
    bool leaves_out_ = false;
};

}  // namespace pmi

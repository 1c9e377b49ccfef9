// Files that the program maps are not on this node. Each has a twin: a memfd with the mapped parts of its contents
// at the same offsets and of the same length. Guests map the twin, so that the kernel itself keeps account of what
// is still the file's and what was written (a private page that was written is anonymous), through munmap, mremap,
// mprotect and fork, and accesses behind the end give SIGBUS.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "remote/movers/mover.h"
#include "remote/wire/frames.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/base/ids.h"
#include "runtime/memory/parts.h"

namespace pmi {

class FileTwins {
  public:
    // The twins for image.files, made where there is none yet. The fds live as long as this object.
    Status prepare(const wire::Image& image);
    // The twin of image.files[index] of the image last prepared; -1 for none.
    int fd_of(uint32_t index) const;
    std::vector<int> descriptors() const {  // of all twins
        std::vector<int> all;
        for (const auto& twin : twins_) all.push_back(twin->fd.get());
        return all;
    }
    // The same for mappings that may never be made writable, as home's may not.
    int read_only_fd_of(uint32_t index) const;
    // What a mapping that was made away shows, from home; its twin's descriptor.
    Expected<int> load(HomePid pid, const MapFileInfo& info, uint64_t offset, std::span<const std::byte> contents, bool read_only);
    // This process is gone from here: what it stored in is an ordinary file's twin again, and no newer than home's.
    void release(HomePid pid);
    // Remembers how the contents are now, of what the program can store in: what changed later is what has to be
    // written back.
    Status remember();
    // What the program has stored since the last time, of files that home takes back, in pieces of a bounded size.
    using SendChanges = std::function<Status(uint32_t number, std::span<const FileRun> runs, std::span<const std::byte> bytes)>;
    Status take_changes(const SendChanges& send);
    bool has_stores() const;  // whether there are files that home takes back
    // Reads the twins of image.files, translated ones; for SendOrder::file_page. This object and `image` have to live as long.
    ReadFilePage reader_of(const wire::Image& image) const;
    // The page at `offset` of a twin, where that has something other than zeros, and is not newer than the file at home.
    bool read(uint64_t device, uint64_t inode, uint64_t offset, std::span<std::byte> page) const;
    bool unchanged(uint64_t device, uint64_t inode, uint64_t offset, std::span<const std::byte> page) const;

    // Regions and files that were described on this node name twins; gives them home's names again. A mapped file
    // that is no twin is an Error.
    Status translate(wire::Image& image) const;

  private:
    struct Twin {
        wire::MappedFile file;
        Fd fd, read_only;
        uint64_t twin_device = 0, twin_inode = 0;
        // Where the program can store:
        bool is_stored_in = false;
        HomePid storer;  // by whom: home lets only one process of the family
        Fd pristine;     // contents as they came, or as home has them since the last take_changes()
        Parts loaded;    // what is there; for the rest the pages are still at home
        Mapping view, pristine_view;
        // Home takes its stores, and the contents have arrived.
        bool goes_home() const { return file.written_back() != 0 && pristine.valid(); }
    };
    Twin* find(uint64_t device, uint64_t inode) const;
    Expected<Twin*> find_or_make(const wire::MappedFile& file);
    static Status make_pristine(Twin& twin);
    static Status map_views(Twin& twin);
    static Status take_changes_of(Twin& twin, uint64_t start, uint64_t end, const SendChanges& send);
    std::vector<std::unique_ptr<Twin>> twins_;
    std::vector<Twin*> of_image_;
};

}  // namespace pmi

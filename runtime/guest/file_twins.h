// Files that the program maps are not on this node. Each has a twin: a memfd with the mapped parts of its contents
// at the same offsets and of the same length. Guests map the twin, so that the kernel itself keeps account of what
// is still the file's and what was written (a private page that was written is anonymous), through munmap, mremap,
// mprotect and fork, and accesses behind the end give SIGBUS.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

class FileTwins {
  public:
    // The twins for image.files, made where there is none yet. The fds live as long as this object.
    Status prepare(const wire::Image& image);
    // The twin of image.files[index] of the image last prepared; -1 for none.
    int fd_of(uint32_t index) const;
    // A twin by what identifies the file at home; grown to `size`.
    Expected<int> find_or_make(uint64_t device, uint64_t inode, const std::string& name, uint64_t size);
    // Remembers how the contents are now: what changed later is what has to be written back.
    Status remember();
    bool unchanged(uint64_t device, uint64_t inode, uint64_t offset, std::span<const std::byte> page) const;

    // Regions and files that were described on this node name twins; gives them home's names again. A mapped file
    // that is no twin is an Error.
    Status translate(wire::Image& image) const;

  private:
    struct Twin {
        wire::MappedFile file;
        Fd fd;
        uint64_t twin_device = 0, twin_inode = 0;
        Fd pristine;  // contents as they came
    };
    const Twin* find(uint64_t device, uint64_t inode) const;
    std::vector<std::unique_ptr<Twin>> twins_;
    std::vector<Twin*> of_image_;
};

}  // namespace pmi

#include "runtime/guest/file_twins.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

namespace pmi {
namespace {

Expected<Fd> make_memory_file(const char* name) {
    constexpr unsigned kExec = 0x10;  // MFD_EXEC, Linux 6.3: program text is mapped from here
    long fd = ::syscall(SYS_memfd_create, name, MFD_CLOEXEC | kExec);
    if (fd < 0 && errno == EINVAL) fd = ::syscall(SYS_memfd_create, name, MFD_CLOEXEC);
    if (fd < 0) return fail_errno("memfd_create");
    return Fd(static_cast<int>(fd));
}

uint64_t maps_device(dev_t device) { return uint64_t{major(device)} << 32 | minor(device); }

Status copy_contents(int from, int to, uint64_t size) {
    if (::ftruncate(to, static_cast<off_t>(size)) != 0) return fail_errno("grow a copy to {} bytes", size);
    std::vector<char> buffer(1 << 20);
    off_t at = 0;
    // Only what is there: twins are sparse.
    while ((at = ::lseek(from, at, SEEK_DATA)) >= 0 && static_cast<uint64_t>(at) < size) {
        ssize_t n = ::pread(from, buffer.data(), buffer.size(), at);
        if (n <= 0) break;
        if (::pwrite(to, buffer.data(), static_cast<size_t>(n), at) != n) return fail_errno("copy a mapped file");
        at += n;
    }
    return {};
}

}  // namespace

const FileTwins::Twin* FileTwins::find(uint64_t device, uint64_t inode) const {
    for (const auto& t : twins_)
        if (t->file.device() == device && t->file.inode() == inode) return t.get();
    return nullptr;
}

Expected<int> FileTwins::find_or_make(uint64_t device, uint64_t inode, const std::string& name, uint64_t size) {
    Twin* twin = const_cast<Twin*>(find(device, inode));
    if (twin == nullptr) {
        auto made = std::make_unique<Twin>();
        TRY_ASSIGN(made->fd, make_memory_file("pmi-file"));
        struct stat st {};
        if (::fstat(made->fd.get(), &st) != 0) return fail_errno("stat a memfd");
        made->twin_device = maps_device(st.st_dev);
        made->twin_inode = st.st_ino;
        made->file.set_device(device);
        made->file.set_inode(inode);
        made->file.set_name(name);
        twins_.push_back(std::move(made));
        twin = twins_.back().get();
    }
    if (size > twin->file.size() || twin->file.size() == 0) {
        if (::ftruncate(twin->fd.get(), static_cast<off_t>(size)) != 0)
            return fail_errno("make room for {} bytes of {}", size, name);
        twin->file.set_size(size);
    }
    return twin->fd.get();
}

Status FileTwins::prepare(const wire::Image& image) {
    of_image_.clear();
    for (const auto& f : image.files()) {
        TRY(find_or_make(f.device(), f.inode(), f.name(), f.size()));
        Twin* twin = const_cast<Twin*>(find(f.device(), f.inode()));
        twin->file.set_shared_memory(f.shared_memory());
        of_image_.push_back(twin);
    }
    return {};
}

int FileTwins::fd_of(uint32_t index) const { return index < of_image_.size() ? of_image_[index]->fd.get() : -1; }

Status FileTwins::remember() {
    for (auto& t : twins_) {
        TRY_ASSIGN(t->pristine, make_memory_file("pmi-pristine"));
        TRY(copy_contents(t->fd.get(), t->pristine.get(), t->file.size()));
    }
    return {};
}

bool FileTwins::unchanged(uint64_t device, uint64_t inode, uint64_t offset, std::span<const std::byte> page) const {
    const Twin* t = find(device, inode);
    if (t == nullptr || !t->pristine.valid()) return false;
    std::vector<std::byte> was(page.size());
    ssize_t n = ::pread(t->pristine.get(), was.data(), was.size(), static_cast<off_t>(offset));
    return n >= 0 && std::memcmp(was.data(), page.data(), page.size()) == 0;
}

Status FileTwins::translate(wire::Image& image) const {
    for (int i = 0; i < image.files_size(); i++) {
        wire::MappedFile& f = *image.mutable_files(i);
        auto it = std::find_if(twins_.begin(), twins_.end(), [&](const auto& t) {
            return t->twin_device == f.device() && t->twin_inode == f.inode();
        });
        if (it == twins_.end()) return fail("the guest maps {}, which is no file of its own", f.name());
        uint32_t index = f.index();
        f = (*it)->file;
        f.set_index(index);
    }
    for (auto& r : *image.mutable_regions())
        if (r.kind() == wire::Region::FILE) r.set_name(image.files(static_cast<int>(r.file())).name());
    return {};
}

}  // namespace pmi

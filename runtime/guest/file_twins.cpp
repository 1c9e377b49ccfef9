#include "runtime/guest/file_twins.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>

#include "remote/movers/mapped_contents.h"

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

Status write_at(int fd, uint64_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail_errno("store a mapped file");
        offset += static_cast<uint64_t>(n);
        bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
}

uint64_t next_data(int fd, uint64_t at) {
    off_t found = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    return found < 0 ? UINT64_MAX : static_cast<uint64_t>(found);
}

}  // namespace

FileTwins::Twin* FileTwins::find(uint64_t device, uint64_t inode) const {
    for (const auto& t : twins_)
        if (t->file.device() == device && t->file.inode() == inode) return t.get();
    return nullptr;
}

// Grown to the file's size.
Expected<FileTwins::Twin*> FileTwins::find_or_make(const wire::MappedFile& file) {
    Twin* twin = find(file.device(), file.inode());
    if (twin == nullptr) {
        auto made = std::make_unique<Twin>();
        TRY_ASSIGN(made->fd, make_memory_file("pmi-file"));
        TRY_ASSIGN(made->read_only, open_file(fmt::format("/proc/self/fd/{}", made->fd.get()), O_RDONLY));
        struct stat st {};
        if (::fstat(made->fd.get(), &st) != 0) return fail_errno("stat a memfd");
        made->twin_device = maps_device(st.st_dev);
        made->twin_inode = st.st_ino;
        made->file = file;
        made->file.set_size(0);
        twins_.push_back(std::move(made));
        twin = twins_.back().get();
    }
    if (file.size() > twin->file.size()) {
        for (int fd : {twin->fd.get(), twin->pristine.get()})
            if (fd >= 0 && ::ftruncate(fd, static_cast<off_t>(file.size())) != 0)
                return fail_errno("make room for {} bytes of {}", file.size(), file.name());
        twin->file.set_size(file.size());
    }
    return twin;
}

Status FileTwins::prepare(const wire::Image& image) {
    of_image_.clear();
    for (const auto& f : image.files()) {
        TRY_ASSIGN(Twin * twin, find_or_make(f));
        // What home says of it now counts: a program that still runs has shown it before.
        uint64_t size = twin->file.size();
        twin->file = f;
        twin->file.set_size(size);
        of_image_.push_back(twin);
    }
    for (const auto& r : image.regions()) {
        if (r.kind() != wire::Region::FILE || !r.shared() || !has_vm_flag(r.vm_flags(), "mw")) continue;
        Twin& twin = *of_image_[r.file()];
        twin.is_stored_in = true;
        twin.storer = HomePid(image.pid());
        twin.loaded.add(r.offset(), r.offset() + (r.end() - r.start()));
    }
    return {};
}

int FileTwins::fd_of(uint32_t index) const { return index < of_image_.size() ? of_image_[index]->fd.get() : -1; }
int FileTwins::read_only_fd_of(uint32_t index) const { return index < of_image_.size() ? of_image_[index]->read_only.get() : -1; }

Expected<int> FileTwins::load(HomePid pid, const MapFileInfo& info, uint64_t offset, std::span<const std::byte> contents,
                              bool read_only) {
    wire::MappedFile file;
    file.set_device(info.device);
    file.set_inode(info.inode);
    file.set_name(info.name);
    file.set_size(info.size);
    TRY_ASSIGN(Twin * twin, find_or_make(file));
    if (info.written_back != 0) {
        twin->is_stored_in = true;
        twin->storer = pid;
        twin->file.set_written_back(info.written_back);
        if (!twin->pristine.valid()) TRY(make_pristine(*twin));
    }
    std::vector<AddressRange> parts{{offset, offset + contents.size()}};
    // What the program stores in meanwhile is newer than what home has just read.
    if (twin->is_stored_in) parts = twin->loaded.add(offset, offset + contents.size());
    for (const auto& part : parts) {
        auto bytes = contents.subspan(part.start - offset, part.end - part.start);
        // Pages travel whole; the file ends where it ends, so that what is behind gives SIGBUS.
        if (part.start >= twin->file.size()) continue;
        bytes = bytes.first(std::min<uint64_t>(bytes.size(), twin->file.size() - part.start));
        TRY(write_at(twin->fd.get(), part.start, bytes));
        if (twin->pristine.valid()) TRY(write_at(twin->pristine.get(), part.start, bytes));
    }
    return read_only ? twin->read_only.get() : twin->fd.get();
}

void FileTwins::release(HomePid pid) {
    for (auto& t : twins_) {
        if (!t->is_stored_in || t->storer != pid) continue;
        t->is_stored_in = false;
        t->file.set_written_back(0);
        t->loaded = {};
        t->pristine.reset();
        t->view.reset();
        t->pristine_view.reset();
    }
}

Status FileTwins::make_pristine(Twin& twin) {
    TRY_ASSIGN(twin.pristine, make_memory_file("pmi-pristine"));
    return copy_contents(twin.fd.get(), twin.pristine.get(), twin.file.size());
}

Status FileTwins::remember() {
    for (auto& t : twins_)
        if (t->is_stored_in && !t->file.newer_than_home()) TRY(make_pristine(*t));
    return {};
}

bool FileTwins::has_stores() const {
    return std::any_of(twins_.begin(), twins_.end(), [](const auto& t) { return t->goes_home(); });
}

Status FileTwins::map_views(Twin& twin) {
    size_t size = twin.file.size();
    if (twin.view.size() == size) return {};
    auto map = [&](int fd) { return ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); };
    for (auto [view, fd] : {std::pair(&twin.view, twin.fd.get()), std::pair(&twin.pristine_view, twin.pristine.get())}) {
        void* base = map(fd);
        if (base == MAP_FAILED) return fail_errno("map {} bytes of a twin", size);
        *view = Mapping(base, size);
    }
    return {};
}

Status FileTwins::take_changes(const SendChanges& send) {
    constexpr uint64_t kPiece = 1 << 20;
    for (auto& t : twins_) {
        if (!t->goes_home() || t->file.size() == 0) continue;
        TRY(map_views(*t));
        // Where neither has a page there is nothing to compare (and looking would make pages).
        for (uint64_t at = 0; at < t->file.size();) {
            uint64_t next = std::min(next_data(t->fd.get(), at), next_data(t->pristine.get(), at));
            if (next >= t->file.size()) break;
            at = next & ~(kPage - 1);
            uint64_t end = std::min(at + kPiece, t->file.size());
            TRY(take_changes_of(*t, at, end, send));
            at = end;
        }
    }
    return {};
}

// Byte by byte: others may write the bytes between. What is sent is what is remembered, whatever the program stores
// at the same time.
Status FileTwins::take_changes_of(Twin& twin, uint64_t start, uint64_t end, const SendChanges& send) {
    const std::byte* now = twin.view.data();
    std::byte* was = twin.pristine_view.data();
    std::vector<FileRun> runs;
    std::vector<std::byte> bytes;
    for (uint64_t page = start; page < end; page += kPage) {
        uint64_t page_end = std::min(page + kPage, end);
        if (std::memcmp(now + page, was + page, page_end - page) == 0) continue;
        for (uint64_t at = page; at < page_end; at++) {
            std::byte byte = *static_cast<const volatile std::byte*>(now + at);
            if (byte == was[at]) continue;
            was[at] = byte;
            if (runs.empty() || runs.back().offset + runs.back().size != at) runs.push_back({at, 0});
            runs.back().size++;
            bytes.push_back(byte);
        }
    }
    return runs.empty() ? Status() : send(twin.file.written_back(), runs, bytes);
}

bool FileTwins::read(uint64_t device, uint64_t inode, uint64_t offset, std::span<std::byte> page) const {
    const Twin* t = find(device, inode);
    return t != nullptr && !t->is_stored_in && read_file_page(t->fd.get(), offset, page) && !is_zero(page);
}

bool FileTwins::unchanged(uint64_t device, uint64_t inode, uint64_t offset, std::span<const std::byte> page) const {
    Twin* t = find(device, inode);
    if (t == nullptr || !t->pristine.valid()) return false;
    std::vector<std::byte> was(page.size());
    ssize_t n = ::pread(t->pristine.get(), was.data(), was.size(), static_cast<off_t>(offset));
    return n >= 0 && std::memcmp(was.data(), page.data(), page.size()) == 0;
}

ReadFilePage FileTwins::reader_of(const wire::Image& image) const {
    return [this, &image](uint32_t index, uint64_t offset, std::span<std::byte> page) {
        const auto& file = image.files(static_cast<int>(index));
        const Twin* twin = find(file.device(), file.inode());
        return twin != nullptr && read_file_page(twin->fd.get(), offset, page);
    };
}

Status FileTwins::translate(wire::Image& image) const {
    for (int i = 0; i < image.files_size(); i++) {
        wire::MappedFile& f = *image.mutable_files(i);
        auto it = std::find_if(twins_.begin(), twins_.end(),
                               [&](const auto& t) { return t->twin_device == f.device() && t->twin_inode == f.inode(); });
        if (it == twins_.end()) return fail("the guest maps {}, which is no file of its own", f.name());
        uint32_t index = f.index();
        f = (*it)->file;
        f.set_index(index);
        f.set_newer_than_home((*it)->is_stored_in && f.written_back() == 0);
    }
    for (auto& r : *image.mutable_regions())
        if (r.kind() == wire::Region::FILE) r.set_name(image.files(static_cast<int>(r.file())).name());
    return {};
}

}  // namespace pmi

#include "runtime/deputy/mapped_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "remote/movers/mapped_contents.h"
#include "runtime/base/log.h"
#include "runtime/kernel/descriptor_copy.h"

namespace pmi {
namespace {

// A file that was made under one name and linked to another one beside it, as sem_open(3) does, counts as deleted.
std::string name_now(const std::string& root, const wire::MappedFile& file) {
    constexpr std::string_view kDeleted = " (deleted)";
    if (!file.name().ends_with(kDeleted)) return file.name();
    std::string directory = file.name().substr(0, file.name().rfind('/'));
    std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir((root + directory).c_str()), ::closedir);
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr)
        if (entry->d_ino == file.inode() && entry->d_type == DT_REG) return fmt::format("{}/{}", directory, entry->d_name);
    return file.name();
}

class MappedFileReader {
  public:
    MappedFileReader(HomePid alive, const wire::Image& image) : alive_(alive), image_(image) {}
    bool read(uint32_t index, uint64_t offset, std::span<std::byte> page) {
        const Fd& from = file(index);
        return from.valid() && read_file_page(from.get(), offset, page);
    }

  private:
    const Fd& file(uint32_t index) {
        auto [it, is_new] = files_.try_emplace(index);
        if (!is_new) return it->second;
        const auto& file = image_.files(static_cast<int>(index));
        it->second = open_mapped(alive_, image_, file, std::nullopt, O_RDONLY);
        // Only then: it has to be looked for among all that the program has open.
        auto fds = it->second.valid() ? std::vector<FdEntry>() : list_fds(alive_.value).value_or({});
        if (!fds.empty()) it->second = open_mapped(alive_, image_, file, find_open(alive_, fds, file), O_RDONLY);
        if (!it->second.valid()) spdlog::debug("{} can't be opened: what its mappings show is taken for its contents", file.name());
        return it->second;
    }

    HomePid alive_;
    const wire::Image& image_;
    std::map<uint32_t, Fd> files_;
};

}  // namespace

std::string fd_link(HomePid tid, int fd) { return fmt::format("/proc/{}/fd/{}", tid.value, fd); }
std::string own_fd_link(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

std::optional<OpenFile> find_open(HomePid alive, const std::vector<FdEntry>& fds, const wire::MappedFile& file) {
    std::optional<OpenFile> found;
    for (const auto& fd : fds) {
        struct stat st {};
        if (::stat(fd_link(alive, fd.fd).c_str(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_ino != file.inode()) continue;
        bool same_device = (uint64_t{major(st.st_dev)} << 32 | minor(st.st_dev)) == file.device();
        if (!same_device && fd.target != file.name()) continue;
        bool writable = (read_fd_flags(alive.value, fd.fd).value_or(-1) & O_ACCMODE) != O_RDONLY;
        if (!found || writable) found = OpenFile{fd.fd, writable};
    }
    return found;
}

Fd take_own(HomePid tid, int fd) {
    int flags = read_fd_flags(tid.value, fd).value_or(-1);
    if (flags < 0 || (flags & O_ACCMODE) != O_RDWR || (flags & (O_APPEND | O_DIRECT | O_PATH)) != 0) return {};
    return copy_of_fd(tid.value, fd);
}

Fd open_mapped(HomePid alive, const wire::Image& image, const wire::MappedFile& file, const std::optional<OpenFile>& open,
               int flags) {
    flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    if (open) {
        Fd fd(::open(fd_link(alive, open->fd).c_str(), flags));
        if (fd.valid()) return fd;
    }
    std::string root = fmt::format("/proc/{}/root", alive.value);
    Fd named(::open((root + name_now(root, file)).c_str(), flags));
    struct stat st {};
    if (named.valid() && ::fstat(named.get(), &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == file.inode()) return named;
    for (const auto& r : image.regions()) {  // for the privileged
        if (r.kind() != wire::Region::FILE || r.file() != file.index()) continue;
        Fd fd(::open(fmt::format("/proc/{}/map_files/{:x}-{:x}", alive.value, r.start(), r.end()).c_str(), flags));
        if (fd.valid()) return fd;
    }
    return {};
}

Fd open_own(HomePid alive, const wire::MappedFile& file, const std::optional<OpenFile>& open, const Reopen& reopen) {
    if (open) return take_own(alive, open->fd);
    std::string name = name_now(fmt::format("/proc/{}/root", alive.value), file);
    auto reopened = reopen(file, name);
    if (reopened) return std::move(*reopened);
    spdlog::debug("a mapped file can't be opened anew: {}", reopened.error().message());
    return {};
}

ReadFilePage reader_of_files(HomePid alive, const wire::Image& image) {
    return [reader = std::make_shared<MappedFileReader>(alive, image)](uint32_t file, uint64_t offset, std::span<std::byte> page) {
        return reader->read(file, offset, page);
    };
}

bool takes_writes(int fd) {
    int seals = ::fcntl(fd, F_GET_SEALS);
    return seals < 0 || (seals & (F_SEAL_WRITE | 0x10 /* F_SEAL_FUTURE_WRITE */)) == 0;
}

}  // namespace pmi

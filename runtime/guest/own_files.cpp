#include "runtime/guest/own_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace pmi {
namespace {

constexpr uid_t kNobody = 65534;

// This thread's rights to files are nobody's: so the kernel itself looks at each directory on the way (setfsuid(2)). Where we are
// no root they stay our own.
class AsNobody {
  public:
    AsNobody() {
        ::prctl(PR_GET_PDEATHSIG, &dies_of_, 0, 0, 0);
        (void)::setfsgid(kNobody);
        (void)::setfsuid(kNobody);
    }
    AsNobody(const AsNobody&) = delete;
    ~AsNobody() {
        (void)::setfsuid(::geteuid());
        (void)::setfsgid(::getegid());
        // The kernel forgets what a thread dies of with its parent when its rights change (PR_SET_PDEATHSIG(2const)).
        if (dies_of_ == 0) return;
        ::prctl(PR_SET_PDEATHSIG, dies_of_, 0, 0, 0);
        if (::getppid() != parent_) ::kill(::getpid(), dies_of_);
    }

  private:
    const pid_t parent_ = ::getppid();
    int dies_of_ = 0;
};

// Such files are not what they are named after on another machine, and reading may do something.
bool is_of_the_kernel(std::string_view name) {
    constexpr std::array<std::string_view, 3> kPlaces{"/proc/", "/sys/", "/dev/"};
    return std::any_of(kPlaces.begin(), kPlaces.end(), [&](std::string_view place) { return name.starts_with(place); });
}

// Not valid: there is none that would do.
Fd open_as_anybody(const std::string& name, uint64_t size) {
    if (!name.starts_with('/') || is_of_the_kernel(name) || size == 0) return {};
    AsNobody rights;
    Fd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat st {};
    if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return {};
    bool fits = S_ISREG(st.st_mode) && (st.st_mode & S_IROTH) != 0 && static_cast<uint64_t>(st.st_size) == size;
    return fits ? std::move(fd) : Fd();
}

}  // namespace

bool OwnFiles::get(const wire::MappedFile& file, uint64_t offset, const PageHash& hash, std::span<std::byte> page) {
    return read(file, offset, page) && hash_page(page.first(kStoredPage), key_) == hash;
}

bool OwnFiles::read(const wire::MappedFile& file, uint64_t offset, std::span<std::byte> page) {
    if (name_ != file.name() || size_ != file.size()) {
        name_ = file.name();
        size_ = file.size();
        fd_ = file.shared_memory() ? Fd() : open_as_anybody(name_, size_);
    }
    if (!fd_.valid() || offset >= size_) return false;
    auto to = page.first(kStoredPage);
    ssize_t n = ::pread(fd_.get(), to.data(), to.size(), static_cast<off_t>(offset));
    if (n <= 0) return false;
    std::fill(to.begin() + n, to.end(), std::byte{0});
    return true;
}

}  // namespace pmi

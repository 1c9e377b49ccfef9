#include "runtime/memory/userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>

namespace pmi {
namespace {

constexpr uint64_t kPageBytes = 4096;
// linux/userfaultfd.h of 6.7.
constexpr uint64_t kFeatureWpAsync = 1u << 15;
struct PoisonArg {
    uffdio_range range;
    uint64_t mode;
    int64_t updated;
};
constexpr unsigned long kPoison = _IOWR(0xAA, 0x08, PoisonArg);

UserFault::Placed placed(int result, int64_t done) {
    if (result == 0) return {static_cast<uint64_t>(done), 0};
    int code = errno;
    // Half-way: the next try says why.
    return done > 0 ? UserFault::Placed{static_cast<uint64_t>(done), EAGAIN} : UserFault::Placed{0, code};
}

}  // namespace

Fd UserFault::open_device() { return Fd(::open("/dev/userfaultfd", O_RDWR | O_CLOEXEC)); }

Status UserFault::probe() {
    if (open_device().valid()) return {};
    int code = errno;
    auto allowed = read_file("/proc/sys/vm/unprivileged_userfaultfd");
    if (allowed && allowed->starts_with('1')) return {};
    return fail_code(code,
                     "faults of the kernel can't be handled: vm.unprivileged_userfaultfd is not 1, and open /dev/userfaultfd");
}

Expected<UserFault> UserFault::adopt(Fd uffd, Track track) {
    uffdio_api api{};
    api.api = UFFD_API;
    api.features = UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP | (track == Track::Yes ? kFeatureWpAsync : 0);
    if (::ioctl(uffd.get(), UFFDIO_API, &api) != 0) return fail_errno("userfaultfd that tells of unmapping");
    return UserFault(std::move(uffd), track);
}

Expected<Fd> UserFault::duplicate() const {
    Fd copy(::fcntl(uffd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return fail_errno("duplicate a userfaultfd");
    return copy;
}

Status UserFault::handle(const PageRun& mapping) {
    uffdio_register wanted{};
    wanted.range = {mapping.start, mapping.end - mapping.start};
    wanted.mode = UFFDIO_REGISTER_MODE_MISSING | (tracks() ? UFFDIO_REGISTER_MODE_WP : 0);
    if (::ioctl(uffd_.get(), UFFDIO_REGISTER, &wanted) != 0)
        return fail_errno("handle faults at {:#x}-{:#x}", mapping.start, mapping.end);
    return {};
}

Expected<std::vector<UserFault::Event>> UserFault::take_events() {
    std::array<uffd_msg, 32> messages{};
    std::vector<Event> events;
    for (;;) {
        ssize_t n = ::read(uffd_.get(), messages.data(), sizeof messages);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return events;
        if (n < 0) return fail_errno("read a userfaultfd");
        size_t count = static_cast<size_t>(n) / sizeof(uffd_msg);
        for (size_t i = 0; i < count; i++) {
            const uffd_msg& m = messages[i];
            if (m.event == UFFD_EVENT_PAGEFAULT) {
                uint64_t page = m.arg.pagefault.address & ~(kPageBytes - 1);
                events.push_back({Event::Kind::Missing, page, page + kPageBytes});
            } else if (m.event == UFFD_EVENT_REMOVE || m.event == UFFD_EVENT_UNMAP) {
                events.push_back({Event::Kind::Gone, m.arg.remove.start, m.arg.remove.end});
            }
        }
        if (count < messages.size()) return events;
    }
}

UserFault::Placed UserFault::copy(uint64_t to, std::span<const std::byte> pages) const {
    uffdio_copy arg{};
    arg.dst = to;
    arg.src = reinterpret_cast<uint64_t>(pages.data());
    arg.len = pages.size();
    arg.mode = tracks() ? UFFDIO_COPY_MODE_WP : 0;
    int result = ::ioctl(uffd_.get(), UFFDIO_COPY, &arg);
    return placed(result, arg.copy);
}

UserFault::Placed UserFault::zero(uint64_t at, uint64_t size) const {
    uffdio_zeropage arg{};
    arg.range = {at, size};
    int result = ::ioctl(uffd_.get(), UFFDIO_ZEROPAGE, &arg);
    return placed(result, arg.zeropage);
}

UserFault::Placed UserFault::poison(uint64_t at, uint64_t size) const {
    PoisonArg arg{{at, size}, 0, 0};
    int result = ::ioctl(uffd_.get(), kPoison, &arg);
    return placed(result, arg.updated);
}

void UserFault::wake(uint64_t at, uint64_t size) const {
    uffdio_range range{at, size};
    // Who is not there needs no waking.
    (void)::ioctl(uffd_.get(), UFFDIO_WAKE, &range);
}

}  // namespace pmi

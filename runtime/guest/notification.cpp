#include "runtime/guest/notification.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "runtime/base/log.h"

namespace pmi {
namespace {

// Linux 6.6; not in older headers.
constexpr unsigned long kSetFlags = _IOW('!', 4, uint64_t);
constexpr uint64_t kSyncWakeUp = 1;

}  // namespace

Expected<Listener> Listener::adopt(Fd fd) {
    // Wakes the supervisor on the guest's own CPU: ten times faster. Older kernels do without.
    if (::ioctl(fd.get(), kSetFlags, kSyncWakeUp) != 0 && errno != EINVAL && errno != ENOTTY)
        return fail_errno("set up the guest's listener");
    return Listener(std::move(fd));
}

Expected<std::optional<Notification>> Listener::receive() const {
    seccomp_notif n{};
    if (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_RECV, &n) != 0) {
        if (errno == ENOENT || errno == EINTR || errno == EAGAIN) return std::optional<Notification>();
        return fail_errno("receive a notification");
    }
    Notification out;
    out.id = n.id;
    out.tid = static_cast<pid_t>(n.pid);
    out.nr = n.data.arch == AUDIT_ARCH_X86_64 ? n.data.nr : kOtherAbi;
    std::copy(std::begin(n.data.args), std::end(n.data.args), out.args.begin());
    out.resume = n.data.instruction_pointer;
    return std::optional(out);
}

Status Listener::send(uint64_t id, int64_t value, int error, uint32_t flags) const {
    seccomp_notif_resp r{};
    r.id = id;
    r.val = value;
    r.error = error;
    r.flags = flags;
    if (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_SEND, &r) != 0 && errno != ENOENT) return fail_errno("answer a notification");
    return {};
}

Status Listener::answer(uint64_t id, int64_t result) const {
    if (result < 0 && result >= -4095) return send(id, 0, static_cast<int>(result), 0);
    return send(id, result, 0, 0);
}

Status Listener::let_run(uint64_t id) const { return send(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE); }

Expected<int> Listener::add_fd(uint64_t id, int fd) const {
    seccomp_notif_addfd a{};
    a.id = id;
    a.srcfd = static_cast<uint32_t>(fd);
    a.newfd_flags = O_CLOEXEC;
    int n = ::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &a);
    if (n < 0) return fail_errno("give the guest a file");
    return n;
}

}  // namespace pmi

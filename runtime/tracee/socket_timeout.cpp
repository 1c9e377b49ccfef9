#include "runtime/tracee/socket_timeout.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "runtime/kernel/descriptor_copy.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

enum class Waits { Not, ToReceive, ToSend };

struct SocketWait {
    Waits how = Waits::Not;
    int fd = -1;
};

int get_option(int fd, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : 0;
}

// 0: none, or no socket.
int64_t timeout_ns(const Fd& socket, Waits how) {
    timeval timeout{};
    socklen_t size = sizeof timeout;
    int option = how == Waits::ToReceive ? SO_RCVTIMEO : SO_SNDTIMEO;
    if (::getsockopt(socket.get(), SOL_SOCKET, option, &timeout, &size) != 0) return 0;
    return timeout.tv_sec * int64_t{1'000'000'000} + timeout.tv_usec * int64_t{1000};
}

Waits what_waits(int64_t nr) {
    switch (nr) {
        case SYS_read:
        case SYS_readv:
        case SYS_preadv2:
        case SYS_recvfrom:
        case SYS_recvmsg:
        case SYS_recvmmsg:
        case SYS_accept:
        case SYS_accept4: return Waits::ToReceive;
        case SYS_write:
        case SYS_writev:
        case SYS_pwritev2:
        case SYS_sendto:
        case SYS_sendmsg:
        case SYS_sendmmsg:
        case SYS_sendfile:
        case SYS_connect: return Waits::ToSend;
        default: return Waits::Not;
    }
}

SocketWait wait_of(pid_t tid, const CallArguments& call) {
    int fd = static_cast<int>(call.args[0]);
    if (call.nr != SYS_splice) return {what_waits(call.nr), fd};
    Fd source = copy_of_fd(tid, fd);
    if (timeout_ns(source, Waits::ToReceive) != 0) return {Waits::ToReceive, fd};
    return {Waits::ToSend, static_cast<int>(call.args[2])};
}

// connect(2) goes on by itself where that is the protocol's way.
int64_t result_at_deadline(int64_t nr, const Fd& socket) {
    if (nr != SYS_connect) return -EAGAIN;
    int domain = get_option(socket.get(), SO_DOMAIN);
    return domain == AF_UNIX ? -EAGAIN : domain == AF_VSOCK ? -ETIMEDOUT : -EINPROGRESS;
}

}  // namespace

bool may_send_in_parts(int64_t nr) {
    return nr == SYS_write || nr == SYS_writev || nr == SYS_sendto || nr == SYS_sendmsg || nr == SYS_sendmmsg || nr == SYS_sendfile;
}

bool waits_at_socket(pid_t pid, pid_t tid, const CallArguments& call) {
    if (call.nr == SYS_splice) return true;
    if (what_waits(call.nr) == Waits::Not) return false;
    return link_target(fmt::format("/proc/{}/task/{}/fd/{}", pid, tid, static_cast<int>(call.args[0]))).starts_with("socket:");
}

std::optional<CallDeadline> deadline_of_call(pid_t tid, const CallArguments& call, int64_t began_ns, int64_t last_ran_ns) {
    SocketWait wait = wait_of(tid, call);
    if (wait.how == Waits::Not) return std::nullopt;
    Fd socket = copy_of_fd(tid, wait.fd);
    int64_t timeout = timeout_ns(socket, wait.how);
    if (timeout == 0) return std::nullopt;
    bool in_parts = may_send_in_parts(call.nr) && get_option(socket.get(), SO_DOMAIN) == AF_UNIX &&
                    get_option(socket.get(), SO_TYPE) == SOCK_STREAM;
    return CallDeadline{call.nr, (in_parts ? last_ran_ns : began_ns) + timeout, result_at_deadline(call.nr, socket), in_parts};
}

}  // namespace pmi

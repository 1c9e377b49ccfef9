#include "remote/transport/tcp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "remote/transport/call_channel.h"
#include "remote/transport/deadline.h"

namespace pmi {

namespace {

Status set_option(int fd, int level, int option, int value, const char* name) {
    if (::setsockopt(fd, level, option, &value, sizeof value) != 0) return fail_errno("setsockopt {}", name);
    return {};
}

Status wait_connected(int fd, const Deadline& deadline) {
    pollfd item{fd, POLLOUT, 0};
    int ready = 0;
    do ready = ::poll(&item, 1, deadline.left_ms());
    while (ready < 0 && errno == EINTR);
    if (ready < 0) return fail_errno("poll");
    if (ready == 0) return fail_code(ETIMEDOUT, "connect");
    int code = 0;
    socklen_t size = sizeof code;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0) return fail_errno("getsockopt SO_ERROR");
    if (code != 0) return fail_code(code, "connect");
    return {};
}

Status set_blocking(int fd) {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) return fail_errno("fcntl");
    return {};
}

}  // namespace

Status set_call_options(int fd) {
    TRY(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"));
    TRY(set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"));
    TRY(set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleS, "TCP_KEEPIDLE"));
    TRY(set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalS, "TCP_KEEPINTVL"));
    TRY(set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveCount, "TCP_KEEPCNT"));
    return set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs, "TCP_USER_TIMEOUT");
}

Expected<Fd> connect_tcp(const SocketAddress& address, int timeout_ms) {
    Deadline deadline(timeout_ms);
    Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return fail_errno("socket");
    if (::connect(fd.get(), address.get(), address.length) != 0) {
        if (errno != EINPROGRESS) return fail_errno("connect");
        TRY(wait_connected(fd.get(), deadline));
    }
    TRY(set_blocking(fd.get()));
    return fd;
}

Expected<Fd> connect_tcp(const std::string& host, uint16_t port, int timeout_ms) {
    Deadline deadline(timeout_ms);
    TRY_ASSIGN(auto addresses, resolve(host, port, timeout_ms));
    Error last("");
    for (size_t i = 0; i < addresses.size(); i++) {
        auto fd = connect_tcp(addresses[i], deadline.left_ms() / static_cast<int>(addresses.size() - i));
        if (fd) return fd;
        last = fail_code(fd.error().code(), "connect to {}", show_host_port(host, port));
    }
    return last;
}

Expected<Fd> listen_tcp(const std::string& address, uint16_t* port) {
    TRY_ASSIGN(auto addresses, resolve(address, 0, kConnectTimeoutMs));
    SocketAddress where = addresses.front();
    Fd fd(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return fail_errno("socket");
    if (::bind(fd.get(), where.get(), where.length) != 0 || ::listen(fd.get(), 128) != 0)
        return fail_errno("listen on {}", address);
    where.length = sizeof where.storage;
    if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&where.storage), &where.length) != 0) return fail_errno("getsockname");
    *port = ntohs(where.v6() ? reinterpret_cast<sockaddr_in6*>(&where.storage)->sin6_port
                             : reinterpret_cast<sockaddr_in*>(&where.storage)->sin_port);
    return fd;
}

}  // namespace pmi

#include "remote/transport/handshake_io.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

namespace pmi {

Expected<bool> read_more(int fd, unsigned char* buffer, size_t size, size_t* have) {
    ssize_t n = ::recv(fd, buffer + *have, size - *have, MSG_DONTWAIT);
    if (n == 0) return fail_code(ECONNRESET, "call channel: handshake");
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n < 0) return fail_errno("call channel: handshake");
    *have += static_cast<size_t>(n);
    return *have == size;
}

Status read_whole(int fd, unsigned char* buffer, size_t size, const Deadline& deadline, int wake) {
    pollfd items[2] = {{fd, POLLIN, 0}, {wake, POLLIN, 0}};
    for (size_t have = 0;;) {
        TRY_ASSIGN(bool whole, read_more(fd, buffer, size, &have));
        if (whole) return {};
        if (items[1].revents != 0) return fail_code(ECANCELED, "call channel: handshake");
        if (deadline.over()) return fail_code(ETIMEDOUT, "no answer");
        if (::poll(items, 2, deadline.left_ms()) < 0 && errno != EINTR) return fail_errno("poll");
    }
}

Status send_now(int fd, const void* data, size_t size) {
    // At the start of a connection so few bytes fit into the send buffer.
    ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
    if (n != static_cast<ssize_t>(size)) return fail_errno("call channel: handshake");
    return {};
}

}  // namespace pmi

#include "remote/transport/handshake_io.h"

#include <errno.h>
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

Status send_now(int fd, const void* data, size_t size) {
    // At the start of a connection so few bytes fit into the send buffer.
    ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
    if (n != static_cast<ssize_t>(size)) return fail_errno("call channel: handshake");
    return {};
}

}  // namespace pmi

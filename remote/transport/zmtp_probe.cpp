#include "remote/transport/zmtp_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <cstring>

#include "remote/transport/deadline.h"
#include "remote/transport/tcp.h"

namespace pmi {

Expected<std::string> probe_mechanism(const SocketAddress& address, int timeout_ms) {
    // ZMTP 3.0 (RFC 23), greeting: signature[10], version[2], mechanism[20], as-server, filler[31]. Only
    // signature and version are sent: a server that saw a mechanism which isn't its own would close before it
    // names its own.
    constexpr unsigned char kStart[12] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0};
    constexpr size_t kMechanismAt = 12, kMechanismSize = 20;
    Deadline deadline(timeout_ms);
    auto fd = connect_tcp(address, timeout_ms);
    if (!fd || ::send(fd->get(), kStart, sizeof kStart, MSG_NOSIGNAL) != sizeof kStart) return std::string();
    char greeting[kMechanismAt + kMechanismSize + 1] = {};
    size_t have = 0;
    while (have < sizeof greeting - 1) {
        pollfd item{fd->get(), POLLIN, 0};
        if (::poll(&item, 1, deadline.left_ms()) == 0) return fail_code(ETIMEDOUT, "probe the port");
        ssize_t n = ::recv(fd->get(), greeting + have, sizeof greeting - 1 - have, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) return std::string();
        have += static_cast<size_t>(n);
    }
    bool zmtp = static_cast<unsigned char>(greeting[0]) == 0xff && static_cast<unsigned char>(greeting[9]) == 0x7f;
    return std::string(zmtp ? greeting + kMechanismAt : "");
}

}  // namespace pmi

#include "runtime/control/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

namespace pmi::control {
namespace {

struct Address {
    sockaddr_un value{};
    Fd directory;  // open as long as the address names it
};

Expected<Address> address_of(const std::string& path) {
    Address a;
    a.value.sun_family = AF_UNIX;
    std::string name = path;
    if (name.size() >= sizeof a.value.sun_path) {
        size_t slash = path.rfind('/');
        TRY_ASSIGN(a.directory, open_file(path.substr(0, slash + 1), O_PATH | O_DIRECTORY));
        name = fmt::format("/proc/self/fd/{}/{}", a.directory.get(), path.substr(slash + 1));
    }
    if (name.empty()) return fail("control socket: an empty path");
    if (name.size() >= sizeof a.value.sun_path) return fail_code(ENAMETOOLONG, "socket {}", path);
    std::memcpy(a.value.sun_path, name.c_str(), name.size() + 1);
    return a;
}

const sockaddr* generic(const Address& a) { return reinterpret_cast<const sockaddr*>(&a.value); }

Expected<Fd> new_socket() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return fail_errno("socket(AF_UNIX)");
    return fd;
}

bool is_stale_socket(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0 || !S_ISSOCK(st.st_mode) || st.st_uid != ::geteuid()) return false;
    auto probe = connect_unix(path);
    return !probe && probe.error().code() == ECONNREFUSED;
}

}  // namespace

Expected<Fd> bind_unix(const std::string& path) {
    TRY_ASSIGN(Address address, address_of(path));
    TRY_ASSIGN(Fd fd, new_socket());
    // A socket file gets its inode's mode from the descriptor's, so it is never open to others, whatever the
    // umask.
    ::fchmod(fd.get(), 0600);
    if (::bind(fd.get(), generic(address), sizeof address.value) == 0) return fd;
    if (errno != EADDRINUSE || !is_stale_socket(path)) return fail_code(errno, "bind control socket {}", path);
    ::unlink(path.c_str());
    if (::bind(fd.get(), generic(address), sizeof address.value) != 0) return fail_errno("bind control socket {}", path);
    return fd;
}

Expected<Fd> connect_unix(const std::string& path) {
    TRY_ASSIGN(Address address, address_of(path));
    TRY_ASSIGN(Fd fd, new_socket());
    while (::connect(fd.get(), generic(address), sizeof address.value) != 0)
        if (errno != EINTR) return fail_errno("connect to {}", path);
    return fd;
}

Expected<PeerIdentity> peer_of(int fd) {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return fail_errno("SO_PEERCRED");
    return PeerIdentity{who.pid, who.uid};
}

}  // namespace pmi::control

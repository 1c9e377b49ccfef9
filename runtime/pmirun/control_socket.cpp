#include "runtime/pmirun/control_socket.h"

#include <time.h>
#include <unistd.h>

#include "runtime/control/socket_place.h"
#include "runtime/control/unix_socket.h"

namespace pmi::launch {
namespace {

// The PID alone would not do: one PID can be PROGRAM of two nested jobs at once.
Expected<std::string> fresh_name() {
    TRY_ASSIGN(std::string directory, control::make_socket_directory());
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
    return fmt::format("{}/{}-{:x}{}", directory, ::getpid(), ns, control::kSocketSuffix);
}

}  // namespace

Expected<ControlSocket> make_control_socket(const std::string& wanted) {
    ControlSocket s;
    auto name = fresh_name();
    if (!name && wanted.empty()) return std::move(name.error());
    std::string path = wanted.empty() ? *name : wanted, link;
    TRY_ASSIGN(s.fd, control::bind_unix(path));
    if (!wanted.empty() && name && ::symlink(wanted.c_str(), name->c_str()) == 0) link = *name;
    s.names = control::SocketNames(path, link);
    return s;
}

}  // namespace pmi::launch

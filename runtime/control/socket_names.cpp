#include "runtime/control/socket_names.h"

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/control/socket_place.h"
#include "runtime/control/unix_socket.h"

namespace pmi::control {
namespace {

bool is_gone(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) != 0 && errno == ENOENT;
}

}  // namespace

Fd SocketNames::renew() {
    std::string& name = link_.empty() ? path_ : link_;
    if (name.empty() || !is_gone(name)) return Fd();
    auto place = place_again(name);
    if (!place) return Fd();
    if (!link_.empty()) {
        if (::symlink(path_.c_str(), place->c_str()) == 0) link_ = *place;
        return Fd();
    }
    auto bound = bind_unix(*place);
    if (!bound) return Fd();
    path_ = *place;
    return std::move(*bound);
}

void SocketNames::remove() const {
    ::unlink(path_.c_str());
    if (!link_.empty()) ::unlink(link_.c_str());
}

}  // namespace pmi::control

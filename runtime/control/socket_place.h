// Where control sockets live: $XDG_RUNTIME_DIR/pmi/ if that variable names a directory of ours, else
// /tmp/pmi-UID/. Both are 0700 and ours; a directory that somebody else prepared (a symbolic link, another
// owner, open to others) is refused, since whoever owns it could stand between pmictl and the job. Linked
// into the launcher: nothing heavy.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi::control {

constexpr const char* kSocketSuffix = ".sock";

// The directory for new sockets, made if need be and checked.
Expected<std::string> make_socket_directory();
// Where a socket may be found that was at `path`, in a directory as above, and is gone: there again if that can be had, else in
// /tmp/pmi-UID/.
Expected<std::string> place_again(const std::string& path);
// That the directory for new sockets is fit for them, if it is there.
Status check_own_directory();
// All directories in which this user's sockets may be; only those that exist and pass the check.
std::vector<std::string> socket_directories();
// Every control socket of this user (live or stale), full paths.
std::vector<std::string> list_sockets();

// Refuses what isn't a directory, owned by us, closed to others. Exposed for the tests.
Status check_socket_directory(const std::string& path);

}  // namespace pmi::control

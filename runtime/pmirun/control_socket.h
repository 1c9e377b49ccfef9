// The job's control socket, bound by the launcher, listened on by the supervisor.
#pragma once
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/control/socket_names.h"

namespace pmi::launch {

struct ControlSocket {
    Fd fd;  // bound, not yet listening
    control::SocketNames names;
};

// `wanted` empty: a new name in the control directory.
Expected<ControlSocket> make_control_socket(const std::string& wanted);

}  // namespace pmi::launch

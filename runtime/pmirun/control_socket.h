// The job's control socket, bound by the launcher, listened on by the supervisor.
#pragma once
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi::launch {

struct ControlSocket {
    Fd fd;  // bound, not yet listening
    std::string path;
    std::string also;     // with --control: the link in the control directory by which pmictl finds it; else empty
    void remove() const;  // the files
};

// `wanted` empty: a new name in the control directory.
Expected<ControlSocket> make_control_socket(const std::string& wanted);

}  // namespace pmi::launch

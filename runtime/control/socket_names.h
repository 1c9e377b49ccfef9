// The names by which a job's control socket is found. The one in a control directory may go away under the job: logind removes a
// user's directory at his last logout, and cleaners what is old in /tmp. It is given again then, where that can be had. Linked into
// the launcher: nothing heavy.
#pragma once
#include <chrono>
#include <string>

#include "runtime/base/fd.h"

namespace pmi::control {

// How often it is worth looking.
constexpr std::chrono::milliseconds kLookForNames{10'000};

class SocketNames {
  public:
    // `path`: what the socket is bound to. `link`: with a path of the user's own, the link to it in the control directory; else
    // empty.
    SocketNames() = default;
    SocketNames(std::string path, std::string link) : path_(std::move(path)), link_(std::move(link)) {}

    const std::string& path() const { return path_; }
    const std::string& link() const { return link_; }
    // Gives the name in the control directory again, if it is gone: there, or else in /tmp/pmi-UID/. A socket: bound to path() as
    // it is now, not yet listening, in place of the one that is reached no more. None: all is well, or nothing can be done.
    Fd renew();
    void remove() const;  // the files

  private:
    std::string path_, link_;
};

}  // namespace pmi::control

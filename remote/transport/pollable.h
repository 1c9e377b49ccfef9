// One level-triggered fd for poll(2) that stands for several libzmq sockets. libzmq's own fd is
// edge-triggered and its edge is eaten by any call on the socket, a send too; so after each call the owner
// says whether there is more.
#pragma once
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

class Pollable {
  public:
    static Expected<Pollable> create();
    Status add(int fd);
    int fd() const { return epoll_.get(); }
    // Readable from now on (`more`), or only when one of the added fds is.
    void set_more(bool more);

  private:
    Pollable(Fd epoll, Fd event) : epoll_(std::move(epoll)), event_(std::move(event)) {}
    Fd epoll_, event_;
    bool more_ = false;
};

}  // namespace pmi

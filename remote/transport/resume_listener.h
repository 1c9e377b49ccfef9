// The node's ear for a home that comes back after a cut (call_resume.h): the listening socket, connections that have not
// proved yet that they are home, and the time until when home is waited for. For an event loop on fd(); one thread, but for
// expire_in().
#pragma once
#include <list>
#include <memory>
#include <optional>

#include "remote/transport/call_resume.h"
#include "runtime/base/fd.h"

namespace pmi {

class ResumeListener {
  public:
    // `listener` is duplicated.
    static Expected<std::unique_ptr<ResumeListener>> create(int listener);
    int fd() const { return epoll_.get(); }

    // Thread-safe. Error from serve() after so long; 0: never.
    Status expire_in(int ms);

    struct Returned {
        Fd connection;
        uint64_t received = 0;  // frames that home has
    };
    // `received`: frames that the node has. After a home has been told of it, and until that home confirms or is gone, no
    // more may be received over the old connection: is_answering().
    Expected<std::optional<Returned>> serve(const ChannelKeys& keys, uint64_t received);
    bool is_answering() const { return answering_ != nullptr; }

  private:
    struct Candidate {
        Fd fd;
        ResumeHello hello{};
        ResumeAnswer answer{};
        ResumeConfirm confirm{};
        size_t have = 0;
    };
    ResumeListener(Fd listener, Fd epoll, Fd expiry, Fd patience)
        : listener_(std::move(listener)), epoll_(std::move(epoll)), expiry_(std::move(expiry)), patience_(std::move(patience)) {}
    void accept_one();
    // True: it has confirmed. False: more has to come. Error: it is not home.
    Expected<bool> hear(Candidate& c, const ChannelKeys& keys, uint64_t received);
    void drop(Candidate* c);

    Fd listener_, epoll_;
    Fd expiry_;    // timerfd: home is given up
    Fd patience_;  // timerfd: the one that was answered is given up
    std::list<Candidate> candidates_;
    Candidate* answering_ = nullptr;
};

}  // namespace pmi

#include "remote/transport/pollable.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace pmi {

Expected<Pollable> Pollable::create() {
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll.valid()) return fail_errno("epoll_create1");
    Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) return fail_errno("eventfd");
    Pollable result(std::move(epoll), std::move(event));
    TRY(result.add(result.event_.get()));
    return result;
}

Status Pollable::add(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
    return {};
}

void Pollable::set_more(bool more) {
    if (more == more_) return;
    more_ = more;
    eventfd_t ignored = 0;
    int result = more ? ::eventfd_write(event_.get(), 1) : ::eventfd_read(event_.get(), &ignored);
    PMI_ASSERT(result == 0);
}

}  // namespace pmi

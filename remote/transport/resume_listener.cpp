#include "remote/transport/resume_listener.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>

#include "remote/transport/handshake_io.h"
#include "remote/transport/tcp.h"

namespace pmi {
namespace {

constexpr size_t kMaxCandidates = 16;
constexpr int kPatienceMs = 2000;  // from the answer to its confirmation

Status set_timer(int fd, int ms) {
    itimerspec when{};
    when.it_value.tv_sec = ms / 1000;
    when.it_value.tv_nsec = (ms % 1000) * 1'000'000L;
    if (::timerfd_settime(fd, 0, &when, nullptr) != 0) return fail_errno("timerfd_settime");
    return {};
}

bool is_over(int timer) {
    uint64_t count = 0;
    return ::read(timer, &count, sizeof count) == sizeof count;
}

Status watch(int epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
    return {};
}

}  // namespace

Expected<std::unique_ptr<ResumeListener>> ResumeListener::create(int listener) {
    Fd own(::fcntl(listener, F_DUPFD_CLOEXEC, 0));
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    Fd expiry(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    Fd patience(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!own.valid() || !epoll.valid() || !expiry.valid() || !patience.valid()) return fail_errno("listen for resumptions");
    for (int fd : {own.get(), expiry.get(), patience.get()}) TRY(watch(epoll.get(), fd));
    return std::unique_ptr<ResumeListener>(
        new ResumeListener(std::move(own), std::move(epoll), std::move(expiry), std::move(patience)));
}

Status ResumeListener::expire_in(int ms) { return set_timer(expiry_.get(), ms); }

Expected<std::optional<ResumeListener::Returned>> ResumeListener::serve(const ChannelKeys& keys, uint64_t received) {
    std::array<epoll_event, kMaxCandidates> events{};
    int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    if (count < 0 && errno != EINTR) return fail_errno("epoll_wait");
    for (int i = 0; i < count; i++) {
        int fd = events[static_cast<size_t>(i)].data.fd;
        if (fd == listener_.get()) accept_one();
        if (fd == patience_.get() && is_over(fd)) drop(answering_);
        if (fd == expiry_.get() && is_over(fd)) return fail_code(ETIMEDOUT, "home has not come back");
        for (auto& c : candidates_) {
            if (c.fd.get() != fd) continue;
            auto confirmed = hear(c, keys, received);
            if (!confirmed) {
                drop(&c);
            } else if (*confirmed) {
                TRY_ASSIGN(uint64_t has, check_resume_hello(c.hello, keys));
                Returned home{std::move(c.fd), has};
                (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, home.connection.get(), nullptr);
                drop(&c);
                return std::optional<Returned>(std::move(home));
            }
            break;
        }
    }
    return std::optional<Returned>();
}

void ResumeListener::accept_one() {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid() || !set_call_options(fd.get()) || !watch(epoll_.get(), fd.get())) return;
    if (candidates_.size() == kMaxCandidates) drop(&candidates_.front());
    candidates_.emplace_back().fd = std::move(fd);
}

Expected<bool> ResumeListener::hear(Candidate& c, const ChannelKeys& keys, uint64_t received) {
    if (&c == answering_) {
        TRY_ASSIGN(bool whole, read_more(c.fd.get(), c.confirm.data(), c.confirm.size(), &c.have));
        if (!whole) return false;
        if (!is_resume_confirm(c.confirm, c.hello, c.answer, keys)) return fail_code(EACCES, "call channel: wrong confirmation");
        return true;
    }
    TRY_ASSIGN(bool whole, read_more(c.fd.get(), c.hello.data(), c.hello.size(), &c.have));
    if (!whole) return false;
    TRY(check_resume_hello(c.hello, keys));
    // Home makes one attempt after the other: the newest counts.
    drop(answering_);
    c.answer = make_resume_answer(c.hello, keys, received);
    c.have = 0;
    TRY(send_now(c.fd.get(), c.answer.data(), c.answer.size()));
    answering_ = &c;
    TRY(set_timer(patience_.get(), kPatienceMs));
    return false;
}

void ResumeListener::drop(Candidate* c) {
    if (c == nullptr) return;
    if (c == answering_) answering_ = nullptr;
    candidates_.remove_if([c](const Candidate& each) { return &each == c; });
}

}  // namespace pmi

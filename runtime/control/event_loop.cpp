#include "runtime/control/event_loop.h"

#include <algorithm>

namespace pmi::control {
namespace {

uint64_t key_of(int fd, uint32_t generation) { return (static_cast<uint64_t>(generation) << 32) | static_cast<uint32_t>(fd); }

}  // namespace

Expected<std::unique_ptr<EventLoop>> EventLoop::create() {
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll.valid()) return fail_errno("epoll_create1");
    return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll)));
}

Status EventLoop::watch(int fd, uint32_t events, Handler handler) {
    uint32_t generation = next_generation_++;
    epoll_event event{};
    event.events = events;
    event.data.u64 = key_of(fd, generation);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl add {}", fd);
    watched_[fd] = {generation, std::make_shared<Handler>(std::move(handler))};
    return {};
}

void EventLoop::change(int fd, uint32_t events) {
    auto it = watched_.find(fd);
    PMI_ASSERT(it != watched_.end());
    epoll_event event{};
    event.events = events;
    event.data.u64 = key_of(fd, it->second.generation);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::forget(int fd) {
    if (watched_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

EventLoop::TimerId EventLoop::after(std::chrono::milliseconds delay, std::function<void()> action) {
    TimerId id = next_timer_++;
    timers_.emplace(std::make_pair(Clock::now() + delay, id), std::move(action));
    return id;
}

void EventLoop::cancel(TimerId id) {
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
}

int EventLoop::milliseconds_to_next_timer() const {
    if (timers_.empty()) return -1;
    auto left = timers_.begin()->first.first - Clock::now();
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1;
    return static_cast<int>(std::clamp<int64_t>(ms, 0, 60'000));
}

void EventLoop::run_due_timers() {
    while (running_ && !timers_.empty() && timers_.begin()->first.first <= Clock::now()) {
        auto action = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        action();
    }
}

void EventLoop::dispatch(const epoll_event& event) {
    int fd = static_cast<int>(event.data.u64 & 0xffffffff);
    auto it = watched_.find(fd);
    if (it == watched_.end() || it->second.generation != event.data.u64 >> 32) return;
    auto handler = it->second.handler;  // stays alive if the handler forgets itself
    (*handler)(event.events);
}

void EventLoop::run() {
    while (running_) {
        epoll_event events[32];
        int n = ::epoll_wait(epoll_.get(), events, 32, milliseconds_to_next_timer());
        for (int i = 0; i < n && running_; i++) dispatch(events[i]);
        run_due_timers();
    }
}

}  // namespace pmi::control

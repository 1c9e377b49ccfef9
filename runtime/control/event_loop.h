// A single-threaded epoll loop: descriptors with handlers, and timers. Handlers may add and remove anything,
// also themselves; an event that was already fetched for a descriptor removed meanwhile is dropped.
#pragma once
#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi::control {

class EventLoop {
  public:
    using Clock = std::chrono::steady_clock;
    using Handler = std::function<void(uint32_t events)>;
    using TimerId = uint64_t;

    static Expected<std::unique_ptr<EventLoop>> create();

    Status watch(int fd, uint32_t events, Handler handler);
    void change(int fd, uint32_t events);
    void forget(int fd);  // before the descriptor is closed

    TimerId after(std::chrono::milliseconds delay, std::function<void()> action);
    void cancel(TimerId id);

    void run();  // until stop(), also if that was called before
    void stop() { running_ = false; }

  private:
    struct Watched {
        uint32_t generation;
        std::shared_ptr<Handler> handler;
    };
    explicit EventLoop(Fd epoll) : epoll_(std::move(epoll)) {}
    int milliseconds_to_next_timer() const;
    void run_due_timers();
    void dispatch(const epoll_event& event);

    Fd epoll_;
    std::unordered_map<int, Watched> watched_;
    std::map<std::pair<Clock::time_point, TimerId>, std::function<void()>> timers_;
    uint32_t next_generation_ = 1;
    TimerId next_timer_ = 1;
    bool running_ = true;
};

}  // namespace pmi::control

#include "runtime/deputy/fanotify_gate.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <array>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"
#include "runtime/deputy/mapped_file.h"
#include "runtime/kernel/shared_memory.h"

namespace pmi {
std::unique_ptr<FanotifyGate> FanotifyGate::create(MustWait must_wait) {
    Fd events(::fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC | O_LARGEFILE));
    Fd stop(::eventfd(0, EFD_CLOEXEC));
    if (!events.valid() || !stop.valid()) return nullptr;
    std::unique_ptr<FanotifyGate> gate(new FanotifyGate(std::move(events), std::move(stop), std::move(must_wait)));
    auto started = start_thread([raw = gate.get()] { raw->run(); });
    if (!started) return nullptr;
    gate->thread_ = std::move(*started);
    return gate;
}

FanotifyGate::FanotifyGate(Fd events, Fd stop, MustWait must_wait)
    : events_(std::move(events)), stop_(std::move(stop)), must_wait_(std::move(must_wait)) {}

FanotifyGate::~FanotifyGate() {
    uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
    let_in([](const Waiting&) { return true; });
}

Status FanotifyGate::guard(int file) {
    if (::fanotify_mark(events_.get(), FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, own_fd_link(file).c_str()) != 0)
        return fail_errno("hold up others that open a mapped file (fanotify)");
    return {};
}

void FanotifyGate::unguard(int file) {
    (void)::fanotify_mark(events_.get(), FAN_MARK_REMOVE, FAN_OPEN_PERM, AT_FDCWD, own_fd_link(file).c_str());
    struct stat identity {};
    if (::fstat(file, &identity) != 0) return;
    let_in([&](const Waiting& w) { return same_file(w.file, identity); });
}

void FanotifyGate::run() {
    for (;;) {
        std::array<pollfd, 2> fds{{{events_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
        (void)::poll(fds.data(), fds.size(), kLookEveryMs);
        if (fds[1].revents != 0) return;
        take_events();
        let_in([now = monotonic_ns()](const Waiting& w) { return w.until_ns <= now; });
    }
}

void FanotifyGate::take_events() {
    alignas(fanotify_event_metadata) char buffer[4096];
    ssize_t n = ::read(events_.get(), buffer, sizeof buffer);
    if (n <= 0) return;
    auto* event = reinterpret_cast<fanotify_event_metadata*>(buffer);
    for (; FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n)) {
        if (event->fd < 0) continue;  // the queue has overflowed: no permission is asked for
        Waiting w{Fd(event->fd), {}, monotonic_ns() + kLongestWaitNs};
        bool waits = ::fstat(w.event.get(), &w.file) == 0 && event->pid != ::getpid() && must_wait_(event->pid, w.file);
        if (!waits) w.until_ns = 0;
        std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(w));
    }
}

void FanotifyGate::let_in(const std::function<bool(const Waiting&)>& which) {
    std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](const Waiting& w) {
        if (!which(w)) return false;
        fanotify_response response{w.event.get(), FAN_ALLOW};
        if (::write(events_.get(), &response, sizeof response) < 0) spdlog::error("let a process open its file: errno {}", errno);
        return true;
    });
}

}  // namespace pmi

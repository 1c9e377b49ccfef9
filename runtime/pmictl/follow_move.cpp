#include "runtime/pmictl/follow_move.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>

#include "runtime/base/fd.h"
#include "runtime/control/members.h"
#include "runtime/pmictl/figures.h"

namespace pmi::ctl {

using control::integer_member;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kLookEveryMs = 100;
enum RequestId { kMove = 1, kProgress, kCancel };

// The signals that mean: not any more. As if they had never been blocked once this is gone.
class Interruptions {
  public:
    static Expected<Interruptions> watch() {
        sigset_t set, before;
        ::sigemptyset(&set);
        ::sigaddset(&set, SIGINT);
        ::sigaddset(&set, SIGTERM);
        if (::sigprocmask(SIG_BLOCK, &set, &before) != 0) return fail_errno("block SIGINT");
        Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!fd.valid()) return fail_errno("signalfd");
        return Interruptions(std::move(fd), before);
    }
    ~Interruptions() {
        if (fd_.valid()) ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    }
    Interruptions(Interruptions&&) = default;
    Interruptions& operator=(Interruptions&&) = delete;
    int fd() const { return fd_.get(); }
    bool take() {
        signalfd_siginfo info{};
        return ::read(fd_.get(), &info, sizeof info) > 0;
    }

  private:
    Interruptions(Fd fd, sigset_t before) : fd_(std::move(fd)), before_(before) {}
    Fd fd_;
    sigset_t before_;
};

// One line on stderr, written anew each time; nothing where stderr is no terminal.
class Display {
  public:
    explicit Display(std::string what) : what_(std::move(what)), is_terminal_(::isatty(STDERR_FILENO) == 1) {}
    ~Display() {
        if (drawn_) std::fputs("\r\033[K", stderr);
    }
    Display(const Display&) = delete;
    Display& operator=(const Display&) = delete;
    bool is_wanted() const { return is_terminal_; }
    void show(const json& progress) {
        Underway move;
        move.round = static_cast<size_t>(integer_member(progress, "round").value_or(0));
        move.standing = control::bool_member(progress, "standing");
        move.bytes = static_cast<uint64_t>(integer_member(progress, "bytes").value_or(0));
        move.left = static_cast<uint64_t>(integer_member(progress, "left").value_or(0));
        auto now = Clock::now();
        double seconds = std::chrono::duration<double>(now - at_).count();
        if (move.bytes > bytes_ && seconds > 0) rate_ = static_cast<double>(move.bytes - bytes_) / seconds;
        move.rate = rate_;
        move.us = std::chrono::duration_cast<std::chrono::microseconds>(now - began_).count();
        at_ = now, bytes_ = move.bytes;
        winsize size{};
        bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
        std::fprintf(stderr, "\r\033[K%s", progress_line(what_, move, known ? size.ws_col - 1U : 79U).c_str());
        std::fflush(stderr);
        drawn_ = true;
    }

  private:
    const std::string what_;
    const bool is_terminal_;
    bool drawn_ = false;
    const Clock::time_point began_ = Clock::now();
    Clock::time_point at_ = began_;
    uint64_t bytes_ = 0;
    double rate_ = 0;
};

}  // namespace

Expected<json> follow_move(control::ControlClient& job, pid_t pid, json request, const std::string& what) {
    TRY_ASSIGN(auto interruptions, Interruptions::watch());
    Display display(what);
    request["id"] = kMove;
    TRY(job.send(request));
    bool has_asked = false, has_cancelled = false;
    for (;;) {
        std::array<pollfd, 2> fds{{{job.fd(), POLLIN, 0}, {interruptions.fd(), POLLIN, 0}}};
        int timeout_ms = job.has_received() ? 0 : display.is_wanted() ? kLookEveryMs : -1;
        if (::poll(fds.data(), fds.size(), timeout_ms) < 0 && errno != EINTR) return fail_errno("poll");
        if (interruptions.take()) {
            if (has_cancelled) return fail_code(EINTR, "interrupted; what becomes of the move is not known");
            has_cancelled = true;
            TRY(job.send({{"op", "cancel"}, {"pid", pid}, {"id", kCancel}}));
        }
        if (job.has_received() || fds[0].revents != 0) {
            TRY_ASSIGN(json reply, job.receive(std::nullopt));
            auto id = integer_member(reply, "id");
            if (id == kMove) return control::bool_member(reply, "ok") ? Expected<json>(std::move(reply)) : control::error_of(reply);
            // A wish to cancel that came too late is no error: the move's own reply says how it ended.
            if (id == kProgress) has_asked = false;
            if (id == kProgress && reply.contains("progress")) display.show(reply["progress"]);
        } else if (display.is_wanted() && !has_asked) {
            has_asked = true;
            TRY(job.send({{"op", "progress"}, {"pid", pid}, {"id", kProgress}}));
        }
    }
}

}  // namespace pmi::ctl

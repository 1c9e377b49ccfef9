#include "remote/pmid/session.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "remote/pmid/guest_process.h"
#include "remote/transport/stream.h"

extern char** environ;

namespace pmi {

namespace {

// posix_spawn's descriptions, with one owner.
class SpawnPlan {
  public:
    SpawnPlan() {
        ::posix_spawn_file_actions_init(&files_);
        ::posix_spawnattr_init(&attributes_);
    }
    ~SpawnPlan() {
        ::posix_spawn_file_actions_destroy(&files_);
        ::posix_spawnattr_destroy(&attributes_);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;

    // stdin and stdout are nothing, stderr stays (the log may go there), and the fds that a session has.
    void plan_files(int setup, int socket) {
        ::posix_spawn_file_actions_addopen(&files_, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_addopen(&files_, 1, "/dev/null", O_WRONLY, 0);
        ::posix_spawn_file_actions_adddup2(&files_, setup, kSessionSetupFd);
        ::posix_spawn_file_actions_adddup2(&files_, socket, kSessionSocket);
        ::posix_spawn_file_actions_addclosefrom_np(&files_, kSessionSocket + 1);
    }
    // Its own process group, so that a terminal's ^C is pmid's to handle; signals as a fresh process has
    // them.
    void plan_signals() {
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    Expected<pid_t> spawn() {
        char name[] = "pmid", option[] = "--guest-session", fd[] = "3";
        static_assert(kSessionSetupFd == 3);
        char* arguments[] = {name, option, fd, nullptr};
        pid_t pid = -1;
        // /proc/self/exe: the same program, even when the file has been replaced by an update.
        int code = ::posix_spawn(&pid, "/proc/self/exe", &files_, &attributes_, arguments, environ);
        if (code != 0) return fail_code(code, "start a guest session");
        return pid;
    }

  private:
    posix_spawn_file_actions_t files_{};
    posix_spawnattr_t attributes_{};
};

// The fd under a number that the session's own fixed ones can't collide with.
Expected<Fd> move_up(Fd fd) {
    Fd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 10));
    if (!moved.valid()) return fail_errno("fcntl F_DUPFD");
    return moved;
}

}  // namespace

Expected<Session> Session::spawn(SessionSetup setup) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("socketpair");
    Fd ours(pair[0]), raw_theirs(pair[1]);
    if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("fcntl");
    TRY_ASSIGN(Fd theirs, move_up(std::move(raw_theirs)));
    setup.guest.report_fd = kSessionSocket;
    setup.pmid = ::getpid();
    TRY_ASSIGN(Fd raw_memory, write_session_setup(setup));
    TRY_ASSIGN(Fd memory, move_up(std::move(raw_memory)));
    SpawnPlan plan;
    plan.plan_files(memory.get(), theirs.get());
    plan.plan_signals();
    TRY_ASSIGN(pid_t pid, plan.spawn());
    return Session(pid, std::move(ours));
}

Status Session::give_work(const std::string& request, int pages) {
    is_spare_ = false;
    report_deadline_ = Deadline(kReportTimeoutMs);
    return send_order(report_.get(), request, pages);
}

Expected<std::optional<wire::Reply>> Session::read_report() {
    for (;;) {
        char buffer[4096];
        ssize_t n = ::read(report_.get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return std::optional<wire::Reply>();
        if (n < 0) return fail_errno("read a session's report");
        if (n == 0) return fail("the guest session ended at once");
        received_.append(buffer, static_cast<size_t>(n));
        uint32_t length = 0;
        if (received_.size() < sizeof length) continue;
        std::memcpy(&length, received_.data(), sizeof length);
        if (length > kMaxRequest) return fail("the guest session's report is malformed");
        if (received_.size() < sizeof length + length) continue;
        wire::Reply reply;
        if (!reply.ParseFromArray(received_.data() + sizeof length, static_cast<int>(length)) ||
            (reply.error().empty() && !reply.has_place()))
            return fail("the guest session's report is malformed");
        return std::optional<wire::Reply>(std::move(reply));
    }
}

void Session::kill_group(int signal) const { ::kill(-pid_, signal); }

std::string show_wait_status(int status) {
    if (WIFEXITED(status)) return fmt::format("exited with status {}", WEXITSTATUS(status));
    if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
    return fmt::format("ended with wait status {:#x}", status);
}

}  // namespace pmi

#include "remote/jail/jail.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstring>

#include "remote/jail/jail_init.h"

namespace pmi {
namespace {

constexpr int kInitTimeoutMs = 5000;

Status map_ids(pid_t launcher) {
    std::string base = fmt::format("/proc/{}/", launcher);
    TRY(write_file(base + "setgroups", "deny"));
    TRY(write_file(base + "uid_map", fmt::format("0 {} 1\n", ::geteuid())));
    return write_file(base + "gid_map", fmt::format("0 {} 1\n", ::getegid()));
}

Expected<JailReply> receive_reply(int socket, Fd* fd) {
    pollfd p{socket, POLLIN, 0};
    if (::poll(&p, 1, kInitTimeoutMs) <= 0) return fail("the jail's init does not answer");
    JailReply reply{};
    iovec iov{&reply, sizeof reply};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    ssize_t n = ::recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    if (n < 0) return fail_errno("read from the jail's init");
    if (n == 0) return fail("the jail's init has ended");
    if (static_cast<size_t>(n) != sizeof reply) return fail("an answer of {} bytes from the jail's init", n);
    for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr && fd != nullptr; c = CMSG_NXTHDR(&m, c)) {
        int got = -1;
        std::memcpy(&got, CMSG_DATA(c), sizeof got);
        fd->reset(got);
    }
    if (reply.error != 0) return fail_code(reply.error, "jail: {}", reply.step);
    return reply;
}

// A pidfd tells the PID as seen from here in its fdinfo.
Expected<pid_t> pid_of(int pidfd) {
    TRY_ASSIGN(std::string info, read_file(fmt::format("/proc/self/fdinfo/{}", pidfd)));
    size_t at = info.find("Pid:");
    int pid = at == std::string::npos ? -1 : std::atoi(info.c_str() + at + 4);
    if (pid <= 0) return fail("a guest's pidfd names no process");
    return pid;
}

}  // namespace

Expected<Jail> Jail::create(const std::vector<std::string>& cgroups) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("socketpair");
    Fd ours(pair[0]), theirs(pair[1]);
    pid_t launcher = ::fork();
    if (launcher < 0) return fail_errno("fork the jail");
    if (launcher == 0) {
        ours.reset();
        run_jail_launcher(theirs.get(), cgroups);
    }
    theirs.reset();
    Jail jail(std::move(ours), launcher);
    TRY(receive_reply(jail.command_.get(), nullptr));  // it is in its user namespace
    TRY(map_ids(launcher));
    JailCommand go;
    if (::send(jail.command_.get(), &go, sizeof go, MSG_NOSIGNAL) < 0) return fail_errno("talk to the jail");
    TRY(receive_reply(jail.command_.get(), nullptr));  // init is ready
    return jail;
}

Status Jail::furnish(const JailFurniture& furniture) {
    JailCommand command;
    if (furniture.hostname.size() > kMaxJailHostname) return fail("a host name of {} bytes", furniture.hostname.size());
    command.kind = JailCommand::Kind::Furnish;
    command.monotonic_offset_ns = furniture.monotonic_offset_ns;
    command.boottime_offset_ns = furniture.boottime_offset_ns;
    std::memcpy(command.hostname, furniture.hostname.data(), furniture.hostname.size());
    return ask(command);
}

Status Jail::ask(const JailCommand& command) {
    if (::send(command_.get(), &command, sizeof command, MSG_NOSIGNAL) < 0) return fail_errno("talk to the jail's init");
    TRY(receive_reply(command_.get(), nullptr));
    return {};
}

Jail::~Jail() {
    if (!command_.valid()) return;
    command_.reset();  // init ends, and the kernel kills whoever is left in its PID namespace
    // Guests that we trace have to be reaped by us before init can end, and the launcher waits for init.
    for (;;) {
        int status = 0;
        pid_t ended = ::waitpid(-1, &status, __WALL);
        if (ended == launcher_ || (ended < 0 && errno != EINTR)) return;
    }
}

Expected<Jail::Spawned> Jail::spawn(HomePid pid, int program, const std::vector<int>& fds) {
    int pair[2];
    if (::pipe2(pair, O_CLOEXEC) != 0) return fail_errno("pipe");
    Fd wait(pair[0]), start(pair[1]);
    std::vector<int> pass{program, wait.get()};
    pass.insert(pass.end(), fds.begin(), fds.end());
    if (pass.size() > kMaxJailFds) return fail("the program maps {} files, more than {}", fds.size(), kMaxJailFds - 2);
    JailCommand command;
    command.kind = JailCommand::Kind::Spawn;
    command.pid = pid.value;
    command.fds = static_cast<int32_t>(fds.size());
    iovec iov{&command, sizeof command};
    std::vector<char> control(CMSG_SPACE(pass.size() * sizeof(int)));
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    m.msg_control = control.data();
    m.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(pass.size() * sizeof(int));
    std::memcpy(CMSG_DATA(c), pass.data(), pass.size() * sizeof(int));
    if (::sendmsg(command_.get(), &m, MSG_NOSIGNAL) < 0) return fail_errno("talk to the jail's init");
    Spawned spawned;
    TRY(receive_reply(command_.get(), &spawned.pidfd));
    if (!spawned.pidfd.valid()) return fail("the jail's init gave no pidfd");
    TRY_ASSIGN(spawned.outer, pid_of(spawned.pidfd.get()));
    spawned.start = std::move(start);
    return spawned;
}

Status Jail::set_next_pid(HomePid pid) {
    JailCommand command;
    command.kind = JailCommand::Kind::SetNextPid;
    command.pid = pid.value;
    return ask(command);
}

}  // namespace pmi

#include "remote/jail/jail_init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/jail/jail.h"

// This code runs between fork and exec, or as PID 1 of a namespace with an empty root: system calls only, no
// allocation, no log. What fails is sent to the parent, which has words for it.

namespace pmi {
namespace {

void send_reply(int socket, int error, const char* step, int fd = -1) {
    JailReply reply{};
    reply.error = error;
    ::strncpy(reply.step, step, sizeof reply.step - 1);
    iovec iov{&reply, sizeof reply};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        cmsghdr* c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        ::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    (void)!::sendmsg(socket, &m, MSG_NOSIGNAL);
}

[[noreturn]] void give_up(int socket, const char* step) {
    send_reply(socket, errno == 0 ? EIO : errno, step);
    ::_exit(1);
}

// Descriptors that init keeps.
struct InitFiles {
    int socket, last_pid, offsets;
};

// Offsets count from the initial time namespace, and this node may itself be in another (time_namespaces(7)): the
// file shows those that the new namespace has taken over. What failed, or nothing.
const char* set_clocks(int offsets_file, int64_t monotonic_ns, int64_t boottime_ns) {
    constexpr int64_t kSecond = 1000000000;
    char text[256]{};
    if (::read(offsets_file, text, sizeof text - 1) <= 0) return "read the time namespace's offsets";
    long long seconds[2]{}, rest[2]{};
    if (::sscanf(text, "%*s %lld %lld %*s %lld %lld", &seconds[0], &rest[0], &seconds[1], &rest[1]) != 4) {
        errno = EINVAL;
        return "understand the time namespace's offsets";
    }
    int64_t add[2] = {monotonic_ns, boottime_ns};
    for (int i = 0; i < 2; i++) {
        int64_t total = seconds[i] * kSecond + rest[i] + add[i];
        seconds[i] = total / kSecond;
        rest[i] = total % kSecond;
        if (rest[i] >= 0) continue;
        rest[i] += kSecond;
        seconds[i]--;
    }
    // One write: the file takes no second one.
    int length =
        ::snprintf(text, sizeof text, "monotonic %lld %lld\nboottime %lld %lld\n", seconds[0], rest[0], seconds[1], rest[1]);
    // It can't be written by pwrite(2).
    bool written = ::lseek(offsets_file, 0, SEEK_SET) == 0 && ::write(offsets_file, text, static_cast<size_t>(length)) == length;
    return written ? nullptr : "set the time namespace's clocks";
}

// Init itself stays in the old time namespace: the tasks that it makes are in the new one.
void furnish(const InitFiles& files, const JailCommand& command) {
    const char* failed = nullptr;
    if (::unshare(CLONE_NEWTIME) != 0) failed = "make a time namespace";
    if (failed == nullptr) failed = set_clocks(files.offsets, command.monotonic_offset_ns, command.boottime_offset_ns);
    size_t length = ::strnlen(command.hostname, kMaxJailHostname);
    if (failed == nullptr && length > 0 && ::sethostname(command.hostname, length) != 0) failed = "set the host name";
    send_reply(files.socket, failed == nullptr ? 0 : errno, failed == nullptr ? "" : failed);
}

// An empty tmpfs as the root, and nothing else mounted.
void empty_root(int socket) {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) give_up(socket, "make mounts private");
    if (::mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") != 0)
        give_up(socket, "mount an empty root");
    if (::chdir("/tmp") != 0) give_up(socket, "enter the empty root");
    if (::syscall(SYS_pivot_root, ".", ".") != 0) give_up(socket, "pivot_root");
    if (::umount2(".", MNT_DETACH) != 0) give_up(socket, "leave the old root");
    if (::chdir("/") != 0) give_up(socket, "chdir");
}

void drop_capabilities(int socket) {
    for (int c = 0; c <= 63; c++) ::prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    if (::syscall(SYS_capset, &header, none) != 0) give_up(socket, "drop capabilities");
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

// The guest before it is one. `fds` are high numbers; program and wait come first.
[[noreturn]] void become_guest(int socket, const int* fds, int count) {
    int program = fds[0], wait = fds[1];
    for (int s = 1; s < NSIG; s++) ::signal(s, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(socket, "no_new_privs");
    drop_capabilities(socket);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) give_up(socket, "parent death signal");
    char byte = 0;
    (void)!::read(wait, &byte, 1);  // end of file: the supervisor is attached
    for (int i = 0; i < count; i++)
        if (::dup2(fds[i + 2], i) < 0) give_up(socket, "pass the mapped files");
    int last = ::fcntl(program, F_DUPFD_CLOEXEC, count);
    // All else goes: the guest's own fds and the program survive, and the program closes on exec.
    if (last > count) ::syscall(SYS_close_range, count, last - 1, 0);
    ::syscall(SYS_close_range, last + 1, ~0U, 0);
    char* nothing[] = {nullptr};
    ::syscall(SYS_execveat, last, "", nothing, nothing, AT_EMPTY_PATH);
    ::_exit(126);
}

void spawn(int socket, const JailCommand& command, const int* fds) {
    int pidfd = -1;
    pid_t wanted = command.pid;
    clone_args args{};
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<uint64_t>(&wanted);
    args.set_tid_size = 1;
    long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) {
        send_reply(socket, errno, "give the guest its PID");
        return;
    }
    if (pid == 0) become_guest(socket, fds, command.fds);
    send_reply(socket, 0, "", pidfd);
    ::close(pidfd);
}

void set_next_pid(int socket, int last_pid_file, int pid) {
    char text[16];
    int length = ::snprintf(text, sizeof text, "%d", pid - 1);
    if (::pwrite(last_pid_file, text, static_cast<size_t>(length), 0) != length)
        send_reply(socket, errno, "set the next PID");
    else
        send_reply(socket, 0, "");
}

// Highest first, so that the guest's dup2 onto 0, 1, 2, ... never hits one that is still needed.
void move_out_of_the_way(int* fds, int count) {
    for (int i = 0; i < count; i++) {
        int high = ::fcntl(fds[i], F_DUPFD_CLOEXEC, 300);
        ::close(fds[i]);
        fds[i] = high;
    }
}

[[noreturn]] void run_init(const InitFiles& files) {
    int socket = files.socket;
    ::prctl(PR_SET_NAME, "pmi-jail", 0, 0, 0);
    ::signal(SIGCHLD, SIG_IGN);  // the kernel reaps: guests and what they leave behind
    send_reply(socket, 0, "");
    for (;;) {
        JailCommand command;
        iovec iov{&command, sizeof command};
        alignas(cmsghdr) char control[CMSG_SPACE(kMaxJailFds * sizeof(int))];
        msghdr m{};
        m.msg_iov = &iov;
        m.msg_iovlen = 1;
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        ssize_t n = ::recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) continue;
        if (n != sizeof command) ::_exit(0);
        int fds[kMaxJailFds]{};
        int count = 0;
        for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
            count = static_cast<int>((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            ::memcpy(fds, CMSG_DATA(c), static_cast<size_t>(count) * sizeof(int));
        }
        move_out_of_the_way(fds, count);
        if (command.kind == JailCommand::Kind::Spawn && count == command.fds + 2)
            spawn(socket, command, fds);
        else if (command.kind == JailCommand::Kind::SetNextPid)
            set_next_pid(socket, files.last_pid, command.pid);
        else if (command.kind == JailCommand::Kind::Furnish)
            furnish(files, command);
        for (int i = 0; i < count; i++) ::close(fds[i]);
    }
}

// No stray fd of the supervisor may stay. The numbers are 0, 1 and 2 then.
InitFiles keep_only(const InitFiles& files) {
    int high[3] = {files.socket, files.last_pid, files.offsets};
    move_out_of_the_way(high, 3);
    for (int i = 0; i < 3; i++) ::dup3(high[i], i, O_CLOEXEC);
    ::syscall(SYS_close_range, 3, ~0U, 0);
    return {0, 1, 2};
}

[[noreturn]] void become_init(int socket, int last_pid_file) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // setid-like changes made the process undumpable; /proc files of guests, and its own, must belong to their user.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    InitFiles files{socket, last_pid_file, ::open("/proc/self/timens_offsets", O_RDWR | O_CLOEXEC)};
    if (files.offsets < 0) give_up(socket, "open the time namespace's offsets");
    empty_root(socket);
    run_init(keep_only(files));
}

}  // namespace

void enter_cgroup(int socket, const char* directory) {
    int group = ::open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int members = ::openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (members < 0 || ::write(members, "0", 1) != 1) give_up(socket, "enter the guests' cgroup");
    ::close(members);
    ::close(group);
}

void run_jail_launcher(int socket, const std::vector<std::string>& cgroups) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // Before the cgroup namespace, so that these groups are its root.
    for (const auto& directory : cgroups) enter_cgroup(socket, directory.c_str());
    // The time namespace comes when its clocks are known (furnish).
    int flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    if (::unshare(flags) != 0) give_up(socket, "make namespaces");
    send_reply(socket, 0, "");
    JailCommand mapped;
    if (::recv(socket, &mapped, sizeof mapped, 0) != sizeof mapped) ::_exit(1);
    int last_pid_file = ::open("/proc/sys/kernel/ns_last_pid", O_RDWR | O_CLOEXEC);
    if (last_pid_file < 0) give_up(socket, "open ns_last_pid");
    // Numbers as high as any home's: a new PID namespace starts with the largest limit the kernel has.
    pid_t init = ::fork();
    if (init < 0) give_up(socket, "start the jail's init");
    if (init == 0) become_init(socket, last_pid_file);
    ::syscall(SYS_close_range, 0, ~0U, 0);  // nothing of the supervisor's may stay open through us
    int status = 0;
    while (::waitpid(init, &status, 0) < 0 && errno == EINTR) {
    }
    ::_exit(0);
}

}  // namespace pmi

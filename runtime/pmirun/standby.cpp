#include "runtime/pmirun/standby.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "runtime/base/file_identity.h"
#include "runtime/control/unix_socket.h"
#include "runtime/pmirun/installation.h"
#include "runtime/pmirun/leftover.h"

namespace pmi::launch {
namespace {

constexpr char kDismissed = 'D';
constexpr int kListener = 3, kProgram = 4, kLifeline = 5, kSummary = 6, kFirstFree = 7;
constexpr int kBacklog = 128;
constexpr size_t kMaxWaiting = 64;  // connections that have said nothing yet

// What the standby knows. Its descriptors have fixed numbers, above.
struct Standby {
    const Options& options;
    control::SocketNames names;
    std::string job;         // what its processes have in PMI_JOB: the first name of the socket
    std::string supervisor;  // the program that takes over
    pid_t program = 0;
    bool started = false;  // PROGRAM's exec has happened
    std::string stderr_file{};
    std::vector<Fd> waiting;

    [[noreturn]] void run();
    void on_lifeline();
    void on_program_end();
    void accept_one();
    void renew_names();
    void take_over(size_t spoke_at);
    void become_supervisor();
    std::vector<std::string> supervisor_arguments() const;
    [[noreturn]] void end() const {
        names.remove();
        ::_exit(0);
    }
};

std::vector<std::string> Standby::supervisor_arguments() const {
    std::vector<std::string> a = {"pmi-supervisor",
                                  "--name=" + options.name,
                                  "--program=" + std::to_string(program),
                                  "--listener=" + std::to_string(kListener),
                                  "--pidfd=" + std::to_string(kProgram),
                                  "--socket=" + job,
                                  "--log-level=" + options.log_level};
    auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) a.push_back(std::string(name) + "=" + value);
    };
    add("--socket-link", names.link());
    if (names.path() != job) add("--socket-now", names.path());
    add("--stderr", stderr_file);
    add("--node", options.node);
    add("--keys", options.keys);
    add("--log", options.log);
    if (options.insecure) a.push_back("--insecure");
    if (options.away) a.push_back("--away");
    if (options.trap_signals) a.push_back("--trap-signals");
    if (options.free_home_memory) a.push_back("--free-home-memory");
    if (options.summary) a.push_back("--summary=" + std::to_string(kSummary));
    if (!options.allow_io_uring) a.push_back("--io-uring-denied");
    for (const Fd& fd : waiting) a.push_back("--client=" + std::to_string(fd.get()));
    return a;
}

void keep_over_exec(int fd) { ::fcntl(fd, F_SETFD, 0); }

// Returns if it can't: then whoever asked is told, and the standby stays.
void Standby::become_supervisor() {
    std::vector<std::string> arguments = supervisor_arguments();
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (auto& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    keep_over_exec(kListener);
    keep_over_exec(kProgram);
    if (options.summary) keep_over_exec(kSummary);
    for (const Fd& fd : waiting) keep_over_exec(fd.get());
    ::execv(supervisor.c_str(), argv.data());
    std::string answer =
        fmt::format("{{\"ok\":false,\"error\":\"the supervisor pmi-supervisor can't be run: {}\"}}\n", strerror(errno));
    for (const Fd& fd : waiting) (void)::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    waiting.clear();
}

void Standby::on_lifeline() {
    char said = 0;
    if (::recv(kLifeline, &said, 1, 0) == 1 && said == kDismissed) end();
    ::close(kLifeline);
    started = true;
    if (options.away || options.trap_signals || options.summary) become_supervisor();
}

void Standby::on_program_end() {
    if (!has_leftover_process(job)) end();
    become_supervisor();
    end();
}

void Standby::accept_one() {
    Fd fd(::accept4(kListener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    auto peer = control::peer_of(fd.get());
    if (!peer || (peer->uid != ::geteuid() && peer->uid != 0) || waiting.size() >= kMaxWaiting) return;
    waiting.push_back(std::move(fd));
}

// Only one that really asks wakes the supervisor: the preload library connects merely to learn our PID.
void Standby::take_over(size_t at) {
    char first = 0;
    ssize_t n = ::recv(waiting[at].get(), &first, 1, MSG_PEEK);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        waiting.erase(waiting.begin() + static_cast<ptrdiff_t>(at));
        return;
    }
    become_supervisor();
}

void Standby::renew_names() {
    Fd listener = names.renew();
    if (listener.valid() && ::listen(listener.get(), kBacklog) == 0) (void)::dup3(listener.get(), kListener, O_CLOEXEC);
}

void Standby::run() {
    for (;;) {
        // Before PROGRAM runs nobody can mean it: requests wait.
        std::vector<pollfd> polled = {{kProgram, POLLIN, 0}, {started ? -1 : kLifeline, POLLIN, 0}, {kListener, POLLIN, 0}};
        for (const Fd& fd : waiting) polled.push_back({started ? fd.get() : -1, POLLIN, 0});
        int ready = ::poll(polled.data(), polled.size(), static_cast<int>(control::kLookForNames.count()));
        renew_names();
        if (ready <= 0) continue;
        if (polled[1].revents != 0) on_lifeline();
        if (polled[0].revents != 0) on_program_end();
        for (size_t i = polled.size(); i-- > 3;)
            if (polled[i].revents != 0 && i - 3 < waiting.size()) take_over(i - 3);
        if (polled[2].revents != 0) accept_one();
    }
}

// ps(1) and /proc/PID/environ read the strings that the launcher was given: PROGRAM's command line is not
// ours, and an enclosing job's PMI_JOB would make the supervisor a member of that job.
void write_over_identity(char** argv, char** envp, const std::string& name) {
    for (char** e = envp; *e != nullptr; e++)
        if (std::string_view(*e).starts_with("PMI_JOB=") || std::string_view(*e).starts_with("LD_PRELOAD="))
            std::memset(*e, '_', std::strlen(*e));
    char* last = argv[0];
    for (char** a = argv; *a != nullptr; a++) last = *a;
    size_t room = static_cast<size_t>(last + std::strlen(last) - argv[0]);
    std::string title = "pmi-supervisor --name=" + name;
    std::memset(argv[0], 0, room);
    std::memcpy(argv[0], title.data(), std::min(room, title.size()));
    ::prctl(PR_SET_NAME, "pmi-supervisor");
}

// The program's limits aren't meant for its supervisor, as far as they can be lifted.
void lift_limits() {
    for (__rlimit_resource_t what : {RLIMIT_NOFILE, RLIMIT_CPU, RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_STACK}) {
        rlimit limit{};
        if (::getrlimit(what, &limit) != 0 || limit.rlim_cur == limit.rlim_max) continue;
        if (what == RLIMIT_STACK) continue;  // unlimited would change how mmap lays memory out
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(what, &limit);
    }
}

void reset_signals() {
    struct sigaction standard {};
    for (int s = 1; s < NSIG; s++) ::sigaction(s, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_all_but(std::vector<int> kept) {
    std::sort(kept.begin(), kept.end());
    unsigned from = 0;
    for (int fd : kept) {
        auto until = static_cast<unsigned>(fd);
        if (until > from) (void)::syscall(SYS_close_range, from, until - 1, 0);
        from = until + 1;
    }
    (void)::syscall(SYS_close_range, from, ~0U, 0);
}

// Keeps these, under the fixed numbers from kListener on; everything else is PROGRAM's: a terminal or pipe held here
// would never see its last writer go. Closed first: a program that may have few descriptors leaves us no more.
// `lifeline`: one of them, and where it is when that fails.
bool rearrange_descriptors(std::vector<int> from, int& lifeline) {
    auto number = std::find(from.begin(), from.end(), lifeline) - from.begin();
    close_all_but(from);
    for (int& fd : from)
        if (fd < kFirstFree) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree);
    lifeline = from[static_cast<size_t>(number)];
    int to = kListener;
    for (int fd : from)
        if (fd < 0 || ::dup3(fd, to++, O_CLOEXEC) < 0) return false;
    lifeline = kLifeline;
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        if (::dup2(null, fd) < 0) return false;
    return ::syscall(SYS_close_range, kFirstFree, ~0U, 0) == 0;
}

// Whoever has started it waits for its number, or hears why there is none.
[[noreturn]] void give_up(int lifeline, const char* what) {
    std::string why = fmt::format("{}: {}", what, strerror(errno));
    (void)::send(lifeline, why.data(), why.size(), MSG_NOSIGNAL);
    ::_exit(1);
}

struct Start {
    const Options& options;
    ControlSocket& socket;
    char** argv;
    char** envp;
    pid_t program;
    int program_fd, lifeline;
};

[[noreturn]] void be_supervisor(const Start& start) {
    reset_signals();
    ::setsid();
    lift_limits();
    if (::chdir("/") != 0) give_up(start.lifeline, "go to /");
    ::umask(077);
    const auto& names = start.socket.names;
    Standby standby{
        start.options, names, names.path(), find_supervisor(), start.program, false, regular_file_identity(STDERR_FILENO), {}};
    std::vector<int> kept{start.socket.fd.get(), start.program_fd, start.lifeline};
    if (start.options.summary) kept.push_back(STDERR_FILENO);
    int lifeline = start.lifeline;
    if (!rearrange_descriptors(std::move(kept), lifeline)) give_up(lifeline, "arrange its descriptors (/dev/null among them)");
    write_over_identity(start.argv, start.envp, start.options.name);
    if (::listen(kListener, kBacklog) != 0) give_up(kLifeline, "listen");
    pid_t self = ::getpid();
    if (::send(kLifeline, &self, sizeof self, MSG_NOSIGNAL) != sizeof self) ::_exit(1);
    standby.run();
}

// fork(2) without glibc's atfork machinery: `signal` is what the parent gets when the child ends.
pid_t raw_fork(int signal) { return static_cast<pid_t>(::syscall(SYS_clone, signal, 0, 0, 0, 0)); }

bool has_children() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

// Orphans are whose who asked for them (PR_SET_CHILD_SUBREAPER, which lasts over an exec): the supervisor is not one of PROGRAM's.
class NoSubreaper {
  public:
    NoSubreaper() {
        ::prctl(PR_GET_CHILD_SUBREAPER, &was_, 0, 0, 0);
        if (was_) ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    }
    ~NoSubreaper() {
        if (was_) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    }
    NoSubreaper(const NoSubreaper&) = delete;
    NoSubreaper& operator=(const NoSubreaper&) = delete;

  private:
    int was_ = 0;
};

// Runs `body` in a grandchild. The child in between leaves nothing behind in this process, which becomes
// PROGRAM: no zombie, no pending SIGCHLD, and no trace in RUSAGE_CHILDREN. That last needs a child that is
// never waited for (SIGCHLD ignored meanwhile), which children that were there before exec'ing pmirun must
// not be subjected to.
template <typename Body>
Status run_in_grandchild(Body body) {
    // The first of a PID namespace gets all orphans. A child that would not tell of its end is one that wait(2) leaves out
    // (__WCLONE).
    if (::getpid() == 1) {
        pid_t only = raw_fork(0);
        if (only == 0) body();
        return only < 0 ? fail_errno("start the supervisor: fork") : Status();
    }
    NoSubreaper orphans_go_elsewhere;
    bool unseen = !has_children();
    struct sigaction ignore {
    }, before{};
    ignore.sa_handler = SIG_IGN;
    if (unseen) ::sigaction(SIGCHLD, &ignore, &before);
    pid_t child = raw_fork(unseen ? SIGCHLD : 0);
    int error = errno;
    if (child == 0) {
        pid_t grandchild = raw_fork(SIGCHLD);
        if (grandchild == 0) body();
        ::_exit(grandchild > 0 ? 0 : 1);
    }
    while (child > 0 && ::waitpid(child, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    if (unseen) ::sigaction(SIGCHLD, &before, nullptr);
    if (child < 0) return fail_code(error, "start the supervisor: fork");
    return {};
}

}  // namespace

void Supervisor::dismiss() { (void)::send(lifeline.get(), &kDismissed, 1, MSG_NOSIGNAL); }

Expected<Supervisor> start_supervisor(const Options& options, ControlSocket& socket, char** argv, char** envp) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("socketpair");
    Supervisor supervisor{Fd(pair[0]), 0};
    Fd theirs(pair[1]);
    Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    if (!self.valid()) return fail_errno("pidfd_open");
    Start start{options, socket, argv, envp, ::getpid(), self.get(), theirs.get()};
    TRY(run_in_grandchild([&] {
        supervisor.lifeline.reset();
        be_supervisor(start);
    }));
    theirs.reset();
    socket.fd.reset();
    ssize_t n = 0;
    std::array<char, 300> said{};
    while ((n = ::recv(supervisor.lifeline.get(), said.data(), said.size(), 0)) < 0 && errno == EINTR) {
    }
    if (n != sizeof supervisor.pid)
        return fail("the supervisor didn't start{}{}", n > 0 ? ": " : "",
                    std::string_view(said.data(), static_cast<size_t>(std::max<ssize_t>(n, 0))));
    std::memcpy(&supervisor.pid, said.data(), sizeof supervisor.pid);
    return supervisor;
}

}  // namespace pmi::launch

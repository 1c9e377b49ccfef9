// The launcher from outside: whatever PROGRAM and its parent can see must be as without pmirun.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "runtime/control/client.h"
#include "runtime/control/socket_names.h"
#include "runtime/control/socket_place.h"
#include "runtime/kernel/procfs.h"
#include "runtime/pmirun/cpu_baseline.h"
#include "runtime/pmirun/environment.h"
#include "runtime/pmirun/options.h"

namespace pmi::launch {
namespace {

using Words = std::vector<std::string>;
using namespace std::chrono_literals;

Expected<Options> parse(Words words) {
    words.insert(words.begin(), "pmirun");
    static std::vector<std::string> kept;  // options.program points into it
    kept = words;
    std::vector<char*> argv;
    for (auto& word : kept) argv.push_back(word.data());
    argv.push_back(nullptr);
    return parse_options(static_cast<int>(kept.size()), argv.data());
}
Words program_of(const Expected<Options>& o) {
    return o ? Words(o->program.begin(), o->program.end()) : Words{"error: " + o.error().message()};
}

TEST(Options, EndAtTheProgram) {
    EXPECT_EQ(program_of(parse({"ls", "-l", "--away"})), (Words{"ls", "-l", "--away"}));
    EXPECT_EQ(program_of(parse({"--away", "--", "--strange", "-x"})), (Words{"--strange", "-x"}));
    EXPECT_EQ(program_of(parse({"--node", "n", "a", "--", "b"})), (Words{"a", "--", "b"}));
    EXPECT_FALSE(parse({"ls", "--away"})->away);
}

TEST(Options, AllOfThem) {
    auto o = parse({"--node=h:1", "--away", "--control", "c.sock", "--keys=/k", "--insecure", "--name", "n", "--log=l",
                    "--log-level=debug", "--no-preload", "--io-uring=deny", "--cpu-baseline=x86-64-v2", "--trap-signals",
                    "--free-home-memory", "prog"});
    ASSERT_TRUE(o) << o.error().message();
    EXPECT_EQ(o->node, "h:1");
    EXPECT_EQ(o->control[0], '/') << "made absolute";
    EXPECT_TRUE(o->control.ends_with("/c.sock"));
    EXPECT_EQ(o->keys, "/k");
    EXPECT_EQ(o->name, "n");
    EXPECT_TRUE(o->log.ends_with("/l"));
    EXPECT_EQ(o->log_level, "debug");
    EXPECT_TRUE(o->away && o->insecure && o->trap_signals && !o->preload && !o->allow_io_uring);
    EXPECT_TRUE(o->free_home_memory);
    EXPECT_EQ(o->cpu_baseline, "x86-64-v2");
}

TEST(Options, DefaultsAndName) {
    auto o = parse({"/usr/bin/prog", "x"});
    EXPECT_EQ(o->name, "prog");
    EXPECT_TRUE(o->preload && o->allow_io_uring && !o->away && !o->trap_signals && !o->free_home_memory);
}

TEST(Options, MistakesAreOneClearLine) {
    for (const Words& words : std::vector<Words>{{},
                                                 {"--away"},
                                                 {"--nosuch", "x"},
                                                 {"-z", "x"},
                                                 {"--node"},
                                                 {"--away=1", "x"},
                                                 {"--io-uring", "maybe", "x"},
                                                 {"--log-level", "loud", "x"},
                                                 {"--cpu-baseline", "i386", "x"},
                                                 {"--node=", "x"}}) {
        auto o = parse(words);
        ASSERT_FALSE(o);
        EXPECT_EQ(o.error().message().find('\n'), std::string::npos);
        EXPECT_GT(o.error().message().size(), 10U);
    }
}

TEST(Environment, OnlyAddsWhatItMust) {
    char a[] = "A=1", preload[] = "LD_PRELOAD=/x.so", job[] = "PMI_JOB=/outer", twice[] = "A=1";
    char* env[] = {a, preload, job, twice, nullptr};
    Options o;
    EXPECT_EQ(program_environment(env, o, "/lib/libpmi.so", "/new", false),
              (Words{"A=1", "LD_PRELOAD=/lib/libpmi.so:/x.so", "PMI_JOB=/new", "A=1"}));
    char nested[] = "LD_PRELOAD=/lib/libpmi.so:/x.so";
    char* again[] = {nested, nullptr};
    EXPECT_EQ(program_environment(again, o, "/lib/libpmi.so", "/new", true), (Words{nested, "PMI_JOB=/new", "PMI_YAMA=1"}));
    char* none[] = {nullptr};
    EXPECT_EQ(program_environment(none, o, "", "/new", true), Words{"PMI_JOB=/new"});
}

TEST(CpuBaseline, MasksWhatIsAboveTheLevel) {
    std::string v2 = tunables_for_baseline("x86-64-v2", "");
    EXPECT_TRUE(v2.starts_with("glibc.cpu.hwcaps="));
    EXPECT_NE(v2.find("-AVX2,"), std::string::npos);
    EXPECT_NE(v2.find("-AVX512F"), std::string::npos);
    EXPECT_EQ(v2.find("-SSE4_2"), std::string::npos);
    EXPECT_EQ(tunables_for_baseline("x86-64-v4", "").find("AVX"), std::string::npos);
    EXPECT_EQ(tunables_for_baseline("x86-64-v4", "a.b=1"), "a.b=1:glibc.cpu.hwcaps=-RTM");
    EXPECT_EQ(tunables_for_baseline("x86-64-v4", "glibc.cpu.hwcaps=-ERMS:a.b=1"), "glibc.cpu.hwcaps=-RTM,-ERMS:a.b=1");
}

struct Result {
    int status = 0;
    std::string out, err;
    rusage usage{};
    int exit_code() const { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
};

std::string drain(int fd) {
    std::string text;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = ::read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
    ::close(fd);
    return text;
}

[[noreturn]] void exec(Words words) {
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(99);
}

pid_t start(
    const Words& words, const std::function<void()>& prepare = [] {}) {
    pid_t pid = ::fork();
    if (pid == 0) {
        prepare();
        exec(words);
    }
    return pid;
}

Result run(
    const Words& words, const std::function<void()>& prepare = [] {}) {
    int out[2], err[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC) | ::pipe2(err, O_CLOEXEC), 0);
    pid_t pid = start(words, [&] {
        ::dup2(out[1], 1);
        ::dup2(err[1], 2);
        prepare();
    });
    ::close(out[1]);
    ::close(err[1]);
    Result r;
    r.out = drain(out[0]);  // ends only when nobody holds the other end any more
    r.err = drain(err[0]);
    ::wait4(pid, &r.status, 0, &r.usage);
    return r;
}

Words under_pmirun(Words options, const Words& program) {
    options.insert(options.begin(), PMIRUN);
    options.insert(options.end(), program.begin(), program.end());
    return options;
}

constexpr int kUntilLookedFor = static_cast<int>(3 * control::kLookForNames.count());

bool soon(const std::function<bool()>& condition, int within_ms = 3000) {
    for (int i = 0; i < within_ms / 10; i++, ::usleep(10'000))
        if (condition()) return true;
    return false;
}

// As /proc/PID/fd has them: the listening and connected Unix sockets of names in `directory`, also of names that are gone.
Words sockets_named_in(const std::string& directory) {
    Words out;
    std::ifstream lines("/proc/net/unix");
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string number, references, protocol, flags, type, state, inode, path;
        words >> number >> references >> protocol >> flags >> type >> state >> inode >> path;
        if (path.starts_with(directory)) out.push_back("socket:[" + inode + "]");
    }
    return out;
}

// Those whose control sockets are in `directory`: other tests may be running beside this one.
std::vector<pid_t> supervisors_in(const std::string& directory) {
    std::vector<pid_t> out;
    Words names = sockets_named_in(directory);
    auto pids = list_processes();
    for (pid_t pid : *pids) {
        auto stat = read_stat(pid);
        if (!stat || stat->comm != "pmi-supervisor" || stat->state == 'Z') continue;
        auto fds = list_fds(pid);
        auto is_ours = [&](const auto& fd) { return std::count(names.begin(), names.end(), fd.target) != 0; };
        if (fds && std::any_of(fds->begin(), fds->end(), is_ours)) out.push_back(pid);
    }
    return out;
}

Words open_targets(pid_t pid) {
    Words out;
    auto fds = list_fds(pid);
    EXPECT_TRUE(fds);
    if (fds)
        for (auto& fd : *fds) out.push_back(fd.target);
    return out;
}

class Launch : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-launch-test-XXXXXX";
        directory = ::mkdtemp(name);
        ::setenv("XDG_RUNTIME_DIR", directory.c_str(), 1);
    }
    void TearDown() override {
        EXPECT_TRUE(soon([&] { return sockets().empty(); })) << "a socket was left behind";
        (void)!std::system(("rm -rf " + directory).c_str());
    }
    Words sockets() const {
        Words out;
        for (auto& socket : control::list_sockets())
            if (socket.starts_with(directory)) out.push_back(socket);
        return out;
    }
    std::string directory;
};

TEST_F(Launch, PassesTheExitStatusOn) {
    for (int code : {0, 1, 7, 125, 255}) EXPECT_EQ(run({PMIRUN, "sh", "-c", "exit " + std::to_string(code)}).exit_code(), code);
}

TEST_F(Launch, PassesADeadlySignalOn) {
    for (int signal : {SIGTERM, SIGKILL, SIGSEGV, SIGPIPE}) {
        Result r = run({PMIRUN, "sh", "-c", "ulimit -c 0; kill -" + std::to_string(signal) + " $$"});
        ASSERT_TRUE(WIFSIGNALED(r.status));
        EXPECT_EQ(WTERMSIG(r.status), signal);
    }
}

TEST_F(Launch, ItsOwnFailures) {
    std::ofstream(directory + "/plain") << "not a program";
    Result missing = run({PMIRUN, "no-such-program-at-all"});
    EXPECT_EQ(missing.exit_code(), 127);
    EXPECT_EQ(missing.err, "pmirun: no-such-program-at-all: No such file or directory\n");
    EXPECT_EQ(run({PMIRUN, directory + "/plain"}).exit_code(), 126);
    EXPECT_EQ(run({PMIRUN, directory}).exit_code(), 126);
    for (const Words& words :
         std::vector<Words>{{PMIRUN}, {PMIRUN, "--nosuch", "true"}, {PMIRUN, "--control", "/nosuch/x", "true"}}) {
        Result r = run(words);
        EXPECT_EQ(r.exit_code(), 125);
        EXPECT_TRUE(r.err.starts_with("pmirun: ")) << r.err;
        EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1);
    }
}

TEST_F(Launch, LeavesNoSupervisorBehindAFailure) {
    for (int i = 0; i < 5; i++) (void)run({PMIRUN, "no-such-program-at-all"});
    EXPECT_TRUE(soon([&] { return supervisors_in(directory).empty(); }));
    EXPECT_TRUE(sockets().empty());
}

TEST_F(Launch, HelpAndVersion) {
    EXPECT_NE(run({PMIRUN, "--help"}).out.find("Usage"), std::string::npos);
    EXPECT_TRUE(run({PMIRUN, "--version"}).out.starts_with("pmirun "));
    EXPECT_EQ(run({PMICTL, "--version"}).exit_code(), 0);
}

TEST_F(Launch, AScriptWithoutAnInterpreterLineRunsInSh) {
    std::ofstream(directory + "/script") << "echo script $1\n";
    ::chmod((directory + "/script").c_str(), 0755);
    EXPECT_EQ(run({PMIRUN, directory + "/script", "x"}).out, "script x\n");
}

// What a process can read of itself, with what differs between any two processes left out.
std::string self_portrait(const Words& options, bool with_pmirun, const std::function<void()>& prepare) {
    Words cat = {"cat", "/proc/self/status", "/proc/self/limits", "/proc/self/cgroup", "/proc/self/oom_score_adj"};
    Result r = run(with_pmirun ? under_pmirun(options, cat) : cat, prepare);
    std::istringstream in(r.out);
    std::string line, text;
    while (std::getline(in, line)) {
        bool varies = false;
        for (const char* key :
             {"Pid:", "Tgid:", "Ngid:", "NStgid:", "NSpid:", "Vm", "Rss", "voluntary", "nonvoluntary", "HugetlbPages",
              "Cpus_allowed", "Mems_allowed", "SigQ:" /* counted over all processes of the user */})
            varies = varies || line.starts_with(key);
        // Process and session ids are compared by tests of their own: each run() has a child of its own.
        if (!varies && !line.starts_with("NSpgid") && !line.starts_with("NSsid")) text += line + "\n";
    }
    return text;
}

void strange_state() {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGCHLD, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    for (int s : {SIGUSR1, SIGTERM, SIGRTMAX, SIGRTMAX - 1, SIGCHLD}) sigaddset(&set, s);
    ::sigprocmask(SIG_SETMASK, &set, nullptr);
    ::umask(0137);
    rlimit files{77, 99};
    ::setrlimit(RLIMIT_NOFILE, &files);
    rlimit core{0, 0};
    ::setrlimit(RLIMIT_CORE, &core);
    (void)!::nice(3);
}

TEST_F(Launch, TheProgramSeesTheSameOfItself) {
    auto nothing = [] {};
    EXPECT_EQ(self_portrait({"--no-preload"}, true, nothing), self_portrait({}, false, nothing));
    EXPECT_EQ(self_portrait({"--no-preload"}, true, strange_state), self_portrait({}, false, strange_state));
    // With the preload library just the two steering signals are handled, where they were not before.
    std::string mine = self_portrait({}, true, nothing), theirs = self_portrait({}, false, nothing);
    EXPECT_NE(mine.find("SigCgt:\tc000000000000000"), std::string::npos);
    size_t at = mine.find("SigCgt:");
    mine.replace(at, mine.find('\n', at) - at, theirs.substr(theirs.find("SigCgt:"), mine.find('\n', at) - at));
    EXPECT_EQ(mine, theirs);
}

TEST_F(Launch, NoPendingSignalIsLeft) {
    auto blocked = [] {
        sigset_t all;
        sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
    };
    EXPECT_EQ(self_portrait({"--no-preload"}, true, blocked), self_portrait({}, false, blocked));
}

TEST_F(Launch, SameParentGroupSessionNiceAndDirectory) {
    Words show = {"sh", "-c", "echo $PPID; cut -d' ' -f5,6,7,8,19 /proc/$$/stat; pwd; umask"};
    auto prepare = [] {
        (void)!::chdir("/usr");
        strange_state();
    };
    EXPECT_EQ(run(under_pmirun({}, show), prepare).out, run(show, prepare).out);
}

TEST_F(Launch, ThePidIsPmiruns) {
    int out[2];
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    pid_t pid = start({PMIRUN, "sh", "-c", "echo $$ $(cut -d' ' -f5,6 /proc/$$/stat)"}, [&] {
        ::dup2(out[1], 1);
        ::setsid();
    });
    ::close(out[1]);
    EXPECT_EQ(drain(out[0]), fmt::format("{} {} {}\n", pid, pid, pid)) << "its own PID, group, session";
    ::waitpid(pid, nullptr, 0);
}

TEST_F(Launch, LeaksNoDescriptor) {
    Words list = {"ls", "/proc/self/fd"};
    EXPECT_EQ(run(under_pmirun({}, list)).out, run(list).out);
    auto closed = [] { ::close(0); };
    EXPECT_EQ(run(under_pmirun({}, list), closed).out, run(list, closed).out);
    auto many = [] {
        for (int fd : {3, 4, 5, 6, 7, 20}) ::dup2(1, fd);
    };
    EXPECT_EQ(run(under_pmirun({}, list), many).out, run(list, many).out);
}

// In the shell's child, before it becomes pmirun, a signal ends it: these are sent when pmirun is there.
TEST_F(Launch, SteeringSignalsWaitUntilTheyAreAnswered) {
    const char* script = R"sh("$1" sleep 0.1 & p=$!
until [ "$(readlink /proc/$p/exe)" != "$(readlink /proc/$$/exe)" ]; do :; done
kill -RTMAX $p; kill -s RTMAX-1 $p; wait $p)sh";
    for (int i = 0; i < 20; i++) EXPECT_EQ(run({"bash", "-c", script, "bash", PMIRUN}).status, 0);
    Result shell = run(under_pmirun({}, {"sh", "-c", "grep SigBlk /proc/self/status; env | grep -c PMI_HELD"}));
    EXPECT_EQ(shell.out, run({"grep", "SigBlk", "/proc/self/status"}).out + "0\n");
}

TEST_F(Launch, ProgramsWithAddressSanitizerStart) {
    std::string source = directory + "/clean.c", program = directory + "/clean";
    std::ofstream(source) << "int main(void) { return 0; }\n";
    for (const char* linkage : {"-shared-libasan", "-static-libasan"}) {
        if (run({"cc", "-fsanitize=address", linkage, "-o", program, source}).status != 0 &&
            run({"cc", "-fsanitize=address", "-o", program, source}).status != 0)
            GTEST_SKIP() << "no AddressSanitizer";
        Result r = run(under_pmirun({}, {program}));
        EXPECT_EQ(r.status, 0) << r.err;
    }
}

TEST_F(Launch, ChangesNoOtherVariable) {
    std::string mine = run(under_pmirun({}, {"env"})).out, theirs = run({"env"}).out, rest;
    std::istringstream in(mine);
    for (std::string line; std::getline(in, line);) {
        bool is_ours = line.starts_with("LD_PRELOAD=") || line.starts_with("PMI_JOB=") || line.starts_with("PMI_YAMA=");
        if (!is_ours) rest += line + "\n";
    }
    EXPECT_EQ(rest, theirs);
    EXPECT_NE(mine.find("PMI_JOB=" + directory), std::string::npos);
    EXPECT_NE(mine.find("libpmi.so"), std::string::npos);
    EXPECT_EQ(run(under_pmirun({"--no-preload"}, {"env"})).out.find("LD_PRELOAD"), std::string::npos);
}

TEST_F(Launch, TheProgramHasNoChildAndHadNone) {
    // cminflt, cmajflt, cutime, cstime: what waited-for children have used.
    Result r = run({PMIRUN, "cut", "-d ", "-f11,13,16,17", "/proc/self/stat"});
    EXPECT_EQ(r.out, "0 0 0 0\n");
    EXPECT_NE(run({PMIRUN, "python3", "-c", "import os; os.wait()"}).err.find("No child processes"), std::string::npos);
}

TEST_F(Launch, ChildrenFromBeforeAreStillThere) {
    // exec pmirun in a shell that already has a background child: PROGRAM can wait for it. The child stays until PROGRAM is
    // there (a shell reaps what ends before its exec), and PROGRAM is no shell (nor a script of one, as python3 may be).
    Result r = run({"bash", "-c",
                    std::string("(until grep -q perl /proc/$$/comm; do sleep 0.01; done; exit 3) & exec ") + PMIRUN +
                        R"( perl -e 'my $pid = wait; print $pid > 0 ? "reaped " . ($? >> 8) : "none", "\n"')"});
    EXPECT_EQ(r.out, "reaped 3\n") << r.err;
}

TEST_F(Launch, PipesEndAtOnce) {
    auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(run({"sh", "-c", std::string(PMIRUN) + " echo hi | cat"}).out, "hi\n");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    // A program that closes its end early: the reader sees the end while the program lives on.
    int out[2];
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    pid_t pid = start({PMIRUN, "sh", "-c", "exec >&- 2>&-; exec sleep 5"}, [&] { ::dup2(out[1], 1); });
    ::close(out[1]);
    begin = std::chrono::steady_clock::now();
    EXPECT_EQ(drain(out[0]), "");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

TEST_F(Launch, JobControlReachesTheParent) {
    for (const Words& options : {Words{}, Words{"--trap-signals"}}) {
        // It goes on only when it is told to: an exit right behind the SIGCONT would hide the continuation.
        int go[2];
        ASSERT_EQ(::pipe2(go, O_CLOEXEC), 0);
        pid_t pid =
            start(under_pmirun(options, {"sh", "-c", "sleep 0.2; kill -STOP $$; read line; exit 5"}), [&] { ::dup2(go[0], 0); });
        ::close(go[0]);
        siginfo_t info{};
        ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED), 0);
        EXPECT_EQ(info.si_code, CLD_STOPPED);
        EXPECT_EQ(info.si_status, SIGSTOP);
        ::kill(pid, SIGCONT);
        ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WCONTINUED), 0);
        EXPECT_EQ(info.si_code, CLD_CONTINUED);
        ::close(go[1]);
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_EQ(WEXITSTATUS(status), 5);
    }
}

TEST_F(Launch, TheSupervisorIsDetachedAndEndsWithTheJob) {
    pid_t pid = start({PMIRUN, "sleep", "30"});
    ASSERT_TRUE(soon([&] { return supervisors_in(directory).size() == 1 && read_stat(pid)->comm == "sleep"; }));
    pid_t supervisor = supervisors_in(directory).front();
    auto stat = read_stat(supervisor);
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->session, supervisor);
    EXPECT_EQ(stat->tty, 0);
    EXPECT_NE(stat->ppid, pid);
    for (auto& target : open_targets(supervisor))
        EXPECT_TRUE(target == "/dev/null" || target.starts_with("socket:") || target == "anon_inode:[pidfd]") << target;
    EXPECT_EQ(sockets().size(), 1U);
    // Once something was asked, it is the second stage, under the same PID.
    EXPECT_EQ(run({PMICTL, "where", std::to_string(pid)}).out, "home\n");
    EXPECT_EQ(read_stat(supervisor)->comm, "pmi-supervisor");
    for (auto& target : open_targets(supervisor))
        EXPECT_TRUE(target == "/dev/null" || target.starts_with("socket:") || target.starts_with("anon_inode:")) << target;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE(soon([&] { return !read_stat(supervisor) || read_stat(supervisor)->state == 'Z'; }));
    EXPECT_TRUE(sockets().empty());
}

TEST_F(Launch, TheSupervisorStaysForABackgroundProcess) {
    Result r = run({PMIRUN, "sh", "-c", "sleep 30 >/dev/null 2>&1 & echo $!"});
    std::string pid = r.out.substr(0, r.out.find('\n'));
    EXPECT_EQ(run({PMICTL, "where", pid}).out, "home\n");
    ::kill(std::stoi(pid), SIGKILL);
}

TEST_F(Launch, Nested) {
    EXPECT_EQ(run({PMIRUN, PMIRUN, PMIRUN, "sh", "-c", "exit 3"}).exit_code(), 3);
    pid_t pid = start({PMIRUN, "--name", "outer", "sh", "-c", std::string(PMIRUN) + " --name inner sleep 30"});
    std::string list;
    ASSERT_TRUE(soon([&] {
        list = run({PMICTL, "ps"}).out;
        return std::count(list.begin(), list.end(), '\n') == 3;
    })) << list;
    EXPECT_NE(list.find(" inner "), std::string::npos) << list;
    auto tree = run({"sh", "-c", "cat /proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"}).out;
    for (std::istringstream in(tree); in.good();) {
        pid_t child = 0;
        if (in >> child) ::kill(child, SIGKILL);
    }
    ::waitpid(pid, nullptr, 0);
}

TEST_F(Launch, AChosenControlSocket) {
    std::string socket = directory + "/mine.sock";
    pid_t pid = start({PMIRUN, "--control", socket, "sleep", "30"});
    ASSERT_TRUE(soon([&] { return !sockets().empty(); }));
    ASSERT_TRUE(soon([&] { return read_stat(pid)->comm == "sleep"; }));
    EXPECT_EQ(run({PMICTL, "--control", socket, "where", std::to_string(pid)}).out, "home\n");
    EXPECT_EQ(run({PMICTL, "where", std::to_string(pid)}).out, "home\n") << "found without it too";
    EXPECT_EQ(run({PMIRUN, "--control", socket, "true"}).exit_code(), 125) << "in use";
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE(soon([&] { return ::access(socket.c_str(), F_OK) != 0; }));
    EXPECT_EQ(run({PMIRUN, "--control", socket, "true"}).exit_code(), 0);
    EXPECT_TRUE(soon([&] { return ::access(socket.c_str(), F_OK) != 0; }));
}

// logind removes a user's directory at his last logout. First the launcher's other half looks, then the supervisor proper.
TEST_F(Launch, AJobIsFoundAfterItsSocketHasGone) {
    pid_t pid = start({PMIRUN, "sleep", "300"});
    ASSERT_TRUE(soon([&] { return read_stat(pid)->comm == "sleep"; }));
    auto is_found = [&] { return run({PMICTL, "where", std::to_string(pid)}).out == "home\n"; };
    std::string there = sockets().at(0);
    std::filesystem::remove_all(directory);
    auto elsewhere = control::place_again(there);
    ASSERT_TRUE(elsewhere);
    ASSERT_NE(*elsewhere, there);
    EXPECT_TRUE(soon([&] { return ::access(elsewhere->c_str(), F_OK) == 0; }, kUntilLookedFor));
    EXPECT_TRUE(is_found());
    ASSERT_EQ(::unlink(elsewhere->c_str()), 0);
    EXPECT_FALSE(is_found());
    EXPECT_TRUE(soon([&] { return ::access(elsewhere->c_str(), F_OK) == 0; }, kUntilLookedFor));
    EXPECT_TRUE(is_found());
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE(soon([&] { return ::access(elsewhere->c_str(), F_OK) != 0; }));
}

TEST_F(Launch, IoUringCanBeDenied) {
    Words probe = {"python3", "-c",
                   "import ctypes,os; l=ctypes.CDLL(None,use_errno=True); b=ctypes.create_string_buffer(120); "
                   "r=l.syscall(425,4,b); print(os.strerror(ctypes.get_errno()) if r<0 else 'ring')"};
    EXPECT_EQ(run(under_pmirun({"--io-uring", "deny"}, probe)).out, "Function not implemented\n");
    EXPECT_EQ(run(under_pmirun({"--io-uring", "allow"}, probe)).out, run(probe).out);
}

TEST_F(Launch, TheCpuBaselineReachesGlibc) {
    EXPECT_TRUE(run(under_pmirun({"--cpu-baseline", "x86-64-v2"}, {"sh", "-c", "echo $GLIBC_TUNABLES"}))
                    .out.starts_with("glibc.cpu.hwcaps=-RTM"));
    EXPECT_EQ(run(under_pmirun({"--cpu-baseline", "x86-64"}, {"sh", "-c", "echo ok | sort"})).out, "ok\n");
}

TEST_F(Launch, PmictlOnWhatIsNoProcessOfAJob) {
    for (const Words& words :
         std::vector<Words>{{PMICTL, "home", "1"}, {PMICTL, "where", "99999999"}, {PMICTL, "migrate", "1", "n"}}) {
        Result r = run(words);
        EXPECT_EQ(r.exit_code(), 1);
        EXPECT_TRUE(r.err.starts_with("pmictl: ")) << r.err;
        EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1);
    }
    for (const Words& words : std::vector<Words>{{PMICTL},
                                                 {PMICTL, "dance"},
                                                 {PMICTL, "home"},
                                                 {PMICTL, "home", "12x"},
                                                 {PMICTL, "home", "0"},
                                                 {PMICTL, "migrate", "1"},
                                                 {PMICTL, "migrate", "1", "n", "--mode", "magic"}}) {
        Result r = run(words);
        EXPECT_EQ(r.exit_code(), 2);
        EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    }
}

TEST_F(Launch, StaleSocketsAreSkippedAndRemoved) {
    auto made = control::make_socket_directory();
    ASSERT_TRUE(made);
    std::string stale = *made + "/1-1.sock";
    EXPECT_EQ(run({"python3", "-c", "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])", stale}).exit_code(),
              0);
    EXPECT_EQ(run({PMICTL, "ps"}).exit_code(), 0);
    EXPECT_EQ(::access(stale.c_str(), F_OK), 0) << "may be a job's that is just starting";
    timespec old[2] = {{1000, 0}, {1000, 0}};
    ::utimensat(AT_FDCWD, stale.c_str(), old, 0);
    EXPECT_EQ(run({PMICTL, "ps"}).exit_code(), 0);
    EXPECT_NE(::access(stale.c_str(), F_OK), 0);
}

TEST_F(Launch, ASteeringSignalDoesNotEndTheProgram) {
    for (const Words& options : {Words{}, Words{"--trap-signals", "--no-preload"}}) {
        pid_t pid = start(under_pmirun(options, {"sleep", "30"}));
        ASSERT_TRUE(soon([&] { return read_stat(pid)->comm == "sleep" && read_stat(pid)->state == 'S'; }));
        ASSERT_TRUE(options.empty() || soon([&] { return read_status(pid)->tracer != 0; }));
        ::usleep(20'000);
        ::kill(pid, SIGRTMAX);
        ::kill(pid, SIGRTMAX - 1);
        ::usleep(100'000);
        EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0);
        EXPECT_TRUE(soon([&] {
            return run({PMICTL, "where", "--json", std::to_string(pid)}).out.find("last_error") != std::string::npos;
        })) << "the wish to go away reached the supervisor, and no node is known";
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
}

TEST_F(Launch, TheProgramsOwnHandlerWins) {
    for (const Words& options : {Words{}, Words{"--trap-signals"}}) {
        Result r = run(under_pmirun(options, {"bash", "-c", "trap 'echo mine' RTMAX; kill -RTMAX $$; sleep 0.1; echo end"}));
        EXPECT_EQ(r.out, "mine\nend\n");
    }
}

TEST_F(Launch, ManyAtOnce) {
    std::vector<pid_t> pids;
    for (int i = 0; i < 40; i++) pids.push_back(start({PMIRUN, "sh", "-c", "exit " + std::to_string(i)}));
    for (int i = 0; i < 40; i++) {
        int status = 0;
        ::waitpid(pids[static_cast<size_t>(i)], &status, 0);
        EXPECT_EQ(WEXITSTATUS(status), i);
    }
}

}  // namespace
}  // namespace pmi::launch

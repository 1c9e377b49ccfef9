// A job's supervisor with a worker that only pretends: who is a member, where it is, what is refused, and
// what is said when a worker dies. The worker below takes the place of the real one (same symbol, linked
// first).
#include "runtime/job/job.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <thread>

#include "runtime/control/call_table.h"
#include "runtime/control/client.h"
#include "runtime/control/unix_socket.h"
#include "runtime/job/destination.h"
#include "runtime/job/stderr_note.h"

using nlohmann::json;

namespace pmi {

// Nodes by port: 1 refuses, 2 answers late, 3 dies with the program (as PTRACE_O_EXITKILL has it), 4 comes
// home by itself, 5 has a child born; every other works.
int run_worker(const WorkerSetup& setup) {
    char packet[65536];
    ssize_t n = 0;
    auto send = [&](const json& message) {
        std::string text = message.dump();
        (void)!::send(setup.channel, text.data(), text.size(), MSG_NOSIGNAL);
    };
    while ((n = ::recv(setup.channel, packet, sizeof packet, 0)) > 0) {
        json request = json::parse(packet, packet + n);
        json reply = {{"id", request["id"]}, {"ok", true}};
        int port = request.value("port", 0);
        pid_t pid = request.value("pid", 0);
        if (request["op"] == "status") reply["processes"] = {{{"pid", pid}, {"calls", 7}}};
        if (request["op"] == "tallies")
            send({{"event", "tallies"},
                  {"pid", pid},
                  {"tallies", {{0, 1, 2, 1, 3000, 2000, 1000, 10, 20}, {9, 0, 1, 0, 500, 500, 0, 0, 0}, {"nonsense"}}}});
        if (request["op"] == "migrate") {
            if (port == 1) reply = {{"id", request["id"]}, {"ok", false}, {"error", "node has no room"}};
            if (port == 2) ::usleep(1'500'000);
            reply.update({{"pid", pid}, {"where", request["node"]}, {"frozen_us", 8100}, {"bytes", 4096}, {"calls", 3}});
        }
        if (request["op"] == "home") reply.update({{"pid", pid}, {"where", "home"}, {"total_us", 5}});
        send(reply);
        if (port == 1 || request["op"] == "home") return 0;
        if (port == 3) {
            ::usleep(50'000);
            ::kill(pid, SIGKILL);
            ::raise(SIGKILL);
        }
        if (port == 4) {
            ::usleep(50'000);
            send({{"event", "moved"}, {"pid", pid}, {"where", "home"}, {"why", "a call that can't be forwarded: ptrace"}});
            return 0;
        }
    }
    return 0;
}

namespace job {
namespace {

using control::ControlClient;
using namespace std::chrono_literals;

// A program that sleeps, as pmirun would have started it, and its supervisor in a process of its own.
class JobTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-job-test-XXXXXX";
        directory = ::mkdtemp(name);
        socket = directory + "/job.sock";
        ASSERT_EQ(::pipe2(stderr_pipe, O_CLOEXEC), 0);
        program = spawn({"sleep", "100"});
        start_supervisor();
    }
    void TearDown() override {
        for (pid_t pid : children) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
        EXPECT_TRUE(supervisor_ended()) << "the supervisor outlives its job";
        ::close(stderr_pipe[0]);
        ::close(stderr_pipe[1]);
        (void)!std::system(("rm -rf " + directory).c_str());
    }
    pid_t spawn(std::vector<std::string> command, bool marked = true) {
        pid_t pid = ::fork();
        if (pid == 0) {
            ::dup2(stderr_pipe[1], 2);
            if (marked) ::setenv("PMI_JOB", socket.c_str(), 1);
            std::vector<char*> argv;
            for (auto& word : command) argv.push_back(word.data());
            argv.push_back(nullptr);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        children.push_back(pid);
        // Until its exec it has no environment of its own.
        for (int i = 0; i < 500 && read_stat(pid).ok() && read_stat(pid)->comm != command[0]; i++) ::usleep(1000);
        return pid;
    }
    void start_supervisor() {
        auto listener = control::bind_unix(socket);
        ASSERT_TRUE(listener);
        ASSERT_EQ(::listen(listener->get(), 16), 0);
        supervisor = ::fork();
        if (supervisor != 0) return;
        SupervisorOptions options;
        options.listener = listener->release();
        options.program = program;
        options.pidfd = static_cast<int>(::syscall(SYS_pidfd_open, program, 0));
        options.socket = socket;
        options.name = "test";
        for (int fd : {stderr_pipe[0], stderr_pipe[1]}) ::close(fd);
        auto loop = std::move(*control::EventLoop::create());
        {
            Job job(*loop, options);
            if (!job.start()) ::_exit(1);
            loop->run();
            job.flush();
        }
        ::_exit(0);
    }
    bool supervisor_ended() {
        for (int i = 0; i < 600; i++) {
            if (::waitpid(supervisor, nullptr, WNOHANG) == supervisor) return true;
            ::usleep(10'000);
        }
        ::kill(supervisor, SIGKILL);
        ::waitpid(supervisor, nullptr, 0);
        return false;
    }
    Expected<json> ask(const json& request) {
        TRY_ASSIGN(auto client, ControlClient::connect(socket));
        return client.ask(request, 5s);
    }
    std::string error_of(const json& request) {
        auto reply = ask(request);
        return reply ? "no error: " + reply->dump() : reply.error().message();
    }
    Expected<json> migrate(pid_t pid, const std::string& node) { return ask({{"op", "migrate"}, {"pid", pid}, {"node", node}}); }
    std::string where(pid_t pid) {
        auto reply = ask({{"op", "where"}, {"pid", pid}});
        return reply ? (*reply)["where"].get<std::string>() : reply.error().message();
    }
    json row(pid_t pid) {
        auto reply = ask({{"op", "ps"}});
        if (!reply) return {};
        for (auto& one : (*reply)["processes"])
            if (one["pid"] == pid) return one;
        return {};
    }
    template <typename Condition>
    bool soon(Condition condition) {
        for (int i = 0; i < 300; i++, ::usleep(10'000))
            if (condition()) return true;
        return false;
    }
    std::string directory, socket;
    int stderr_pipe[2];
    pid_t program = 0, supervisor = 0;
    std::vector<pid_t> children;
};

TEST_F(JobTest, ListsTheProgram) {
    json r = row(program);
    EXPECT_EQ(r["where"], "home");
    EXPECT_EQ(r["state"], "sleeping");
    EXPECT_EQ(r["command"], "sleep 100");
    EXPECT_EQ(r["job"], "test");
    EXPECT_GT(r["memory_kib"], 0);
    EXPECT_FALSE(r.contains("cantmove")) << r.dump();
}

TEST_F(JobTest, GoesAwayAndComesHomeAndCounts) {
    auto away = migrate(program, "127.0.0.1:7001");
    ASSERT_TRUE(away) << away.error().message();
    EXPECT_EQ((*away)["frozen_us"], 8100);
    EXPECT_EQ(where(program), (*away)["where"]);
    EXPECT_EQ(row(program)["state"], "away");
    auto home = ask({{"op", "home"}, {"pid", program}});
    ASSERT_TRUE(home) << home.error().message();
    EXPECT_EQ(where(program), "home");
    json r = row(program);
    EXPECT_EQ(r["moves"], 2);
    EXPECT_EQ(r["calls"], 3) << "kept over the stay";
    ASSERT_TRUE(migrate(program, "127.0.0.1:7001"));
    EXPECT_EQ(row(program)["calls"], 6);
    EXPECT_EQ(row(program)["moves"], 3);
}

TEST_F(JobTest, CallsAreCountedAndStayCounted) {
    ASSERT_TRUE(migrate(program, "127.0.0.1:7001"));
    auto away = ask({{"op", "stats"}, {"pid", program}});
    ASSERT_TRUE(away) << away.error().message();
    json calls = (*away)["calls"];
    ASSERT_EQ(calls.size(), 2u) << calls;
    json expected = {{"name", "read"},   {"route", "home"},     {"served", "home"},     {"count", 2},
                     {"failed", 1},      {"total_us", 3.0},     {"mean_us", 1.5},       {"slowest_us", 2.0},
                     {"travel_us", 1.0}, {"bytes_to_home", 10}, {"bytes_from_home", 20}};
    EXPECT_EQ(calls[0], expected);
    EXPECT_EQ(calls[1]["name"], "mmap");
    EXPECT_EQ(calls[1]["served"], "node");
    std::string table = control::call_table(*away);
    EXPECT_NE(table.find("2 calls went home and took 0.000003 s; 0.000001 s of it was the way there and back"), std::string::npos)
        << table;
    ASSERT_TRUE(ask({{"op", "home"}, {"pid", program}}));
    auto home = ask({{"op", "stats"}, {"pid", program}});
    ASSERT_TRUE(home) << home.error().message();
    EXPECT_EQ((*home)["calls"], calls);
}

TEST_F(JobTest, HomeAtHomeIsNoError) {
    auto reply = ask({{"op", "home"}, {"pid", program}});
    ASSERT_TRUE(reply);
    EXPECT_EQ((*reply)["already"], true);
}

TEST_F(JobTest, RefusesTheNodeWhereItIs) {
    ASSERT_TRUE(migrate(program, "127.0.0.1:7001"));
    EXPECT_NE(error_of({{"op", "migrate"}, {"pid", program}, {"node", "127.0.0.1:7001"}}).find("already runs on"),
              std::string::npos);
    EXPECT_TRUE(migrate(program, "127.0.0.1:7002")) << "on to a third machine";
}

TEST_F(JobTest, RefusesHomeAsANode) {
    EXPECT_NE(error_of({{"op", "migrate"}, {"pid", program}, {"node", "home"}}).find("home"), std::string::npos);
}

TEST_F(JobTest, AFailedMoveSaysWhyAndLeavesItAtHome) {
    EXPECT_EQ(error_of({{"op", "migrate"}, {"pid", program}, {"node", "127.0.0.1:1"}}), "node has no room");
    EXPECT_EQ(where(program), "home");
    EXPECT_EQ(row(program)["moves"], 0);
    EXPECT_TRUE(migrate(program, "127.0.0.1:7001"));
}

TEST_F(JobTest, RefusesASecondMoveMeanwhile) {
    std::thread first([&] { EXPECT_TRUE(migrate(program, "127.0.0.1:2")); });
    ASSERT_TRUE(soon([&] { return row(program)["state"] == "moving"; }));
    EXPECT_EQ(error_of({{"op", "migrate"}, {"pid", program}, {"node", "127.0.0.1:7001"}}), "a move is already under way");
    EXPECT_EQ(error_of({{"op", "home"}, {"pid", program}}), "a move is already under way");
    first.join();
}

TEST_F(JobTest, CancelWithoutAMove) { EXPECT_EQ(error_of({{"op", "cancel"}, {"pid", program}}), "no move under way"); }

TEST_F(JobTest, NoticesThatItCameHomeByItself) {
    ASSERT_TRUE(migrate(program, "127.0.0.1:4"));
    ASSERT_TRUE(soon([&] { return where(program) == "home"; }));
    EXPECT_NE(row(program)["return_reason"].get<std::string>().find("ptrace"), std::string::npos);
}

TEST_F(JobTest, ADeadWorkersProcessIsLostAndItsStderrSaysSo) {
    pid_t other = spawn({"sleep", "50"});
    ASSERT_TRUE(migrate(program, "127.0.0.1:3"));
    ASSERT_TRUE(soon([&] { return !row(program).is_null() && row(program)["state"] == "lost"; }));
    EXPECT_NE(row(program)["lost"].get<std::string>().find("worker"), std::string::npos);
    char line[400] = {};
    ASSERT_GT(::read(stderr_pipe[0], line, sizeof line - 1), 0);
    EXPECT_NE(std::string(line).find(fmt::format("process {} was lost on 127.0.0.1:3", program)), std::string::npos);
    EXPECT_EQ(where(other), "home");
}

TEST_F(JobTest, DescendantsAndMarkedProcessesAreMembers) {
    pid_t shell = spawn({"sh", "-c", "env -i sleep 40 & wait"});
    pid_t stranger = spawn({"sleep", "30"}, false);
    pid_t grandchild = 0;
    ASSERT_TRUE(soon([&] {
        auto reply = ask({{"op", "ps"}});
        for (auto& one : (*reply)["processes"])
            if (one["command"] == "sleep 40") grandchild = one["pid"];
        return grandchild != 0;
    }));
    EXPECT_EQ(where(shell), "home");
    EXPECT_NE(where(stranger).find("not of this job"), std::string::npos);
    EXPECT_TRUE(row(stranger).is_null());
    ::kill(grandchild, SIGKILL);
}

TEST_F(JobTest, AProcessOfANestedJobIsNot) {
    ::setenv("PMI_JOB", "/elsewhere.sock", 1);
    pid_t nested = spawn({"sleep", "30"}, false);
    ::unsetenv("PMI_JOB");
    EXPECT_NE(where(nested).find("not of this job"), std::string::npos);
}

TEST_F(JobTest, StaysForWhatTheProgramLeftBehind) {
    pid_t daemon = spawn({"sleep", "20"});
    ::kill(program, SIGKILL);
    ::waitpid(program, nullptr, 0);
    ::usleep(100'000);
    EXPECT_EQ(where(daemon), "home");
    EXPECT_NE(where(program).find("no process"), std::string::npos);
}

TEST_F(JobTest, TellsWhatAPidIsInstead) {
    EXPECT_NE(error_of({{"op", "where"}, {"pid", 1}}).find("not of this job"), std::string::npos);
    EXPECT_NE(error_of({{"op", "where"}, {"pid", 1 << 30}}).find("no process"), std::string::npos);
    for (json bad : {json(-1), json(0), json("x"), json(), json(1e30), json(1LL << 40)})
        EXPECT_NE(error_of({{"op", "where"}, {"pid", bad}}).find("pid"), std::string::npos) << bad;
    EXPECT_NE(error_of({{"op", "fly"}}).find("unknown operation"), std::string::npos);
    EXPECT_NE(error_of({{"op", 7}}).find("unknown operation"), std::string::npos);
    EXPECT_NE(error_of({{"op", "migrate"}, {"pid", program}}).find("node"), std::string::npos);
    EXPECT_NE(error_of({{"op", "migrate"}, {"pid", program}, {"node", "a"}, {"mode", "magic"}}).find("mode"), std::string::npos);
}

TEST_F(JobTest, HoldKeepsItHome) {
    ASSERT_TRUE(ask({{"op", "hold"}, {"pid", program}, {"hold", true}}));
    EXPECT_NE(error_of({{"op", "migrate"}, {"pid", program}, {"node", "127.0.0.1:7001"}}).find("pmi_hold"), std::string::npos);
    EXPECT_TRUE(row(program).contains("cantmove"));
    ASSERT_TRUE(ask({{"op", "hold"}, {"pid", program}, {"hold", false}}));
    EXPECT_TRUE(migrate(program, "127.0.0.1:7001"));
}

TEST_F(JobTest, NotifyWantsASignal) {
    EXPECT_TRUE(ask({{"op", "notify"}, {"pid", program}, {"signal", 0}}));
    EXPECT_TRUE(ask({{"op", "notify"}, {"pid", program}, {"signal", 64}}));
    for (json bad : {json(-1), json(65), json("x"), json()})
        EXPECT_NE(error_of({{"op", "notify"}, {"pid", program}, {"signal", bad}}).find("signal"), std::string::npos) << bad;
}

TEST_F(JobTest, ATracedProcessIsRefused) {
    ASSERT_EQ(::ptrace(PTRACE_SEIZE, program, 0, 0), 0);
    EXPECT_NE(error_of({{"op", "migrate"}, {"pid", program}, {"node", "127.0.0.1:7001"}}).find("cantmove: being traced"),
              std::string::npos);
}

TEST_F(JobTest, EndedWhileAwayIsNotLost) {
    ASSERT_TRUE(migrate(program, "127.0.0.1:7001"));
    ::kill(program, SIGTERM);
    ::waitpid(program, nullptr, 0);
    ::usleep(100'000);
    // The pretending worker never notices; the supervisor doesn't wait for it for ever, and says nothing.
    char line[100];
    ::fcntl(stderr_pipe[0], F_SETFL, O_NONBLOCK);
    EXPECT_EQ(::read(stderr_pipe[0], line, sizeof line), -1);
}

TEST(BestNode, PicksTheIdlestThatIsUp) {
    json nodes = {
        {{"name", "a"}, {"address", "a:7700"}, {"state", "up"}, {"load", 3.0}, {"cpus", 4}, {"guests", 0}, {"guests_max", 9}},
        {{"name", "b"}, {"address", "b:7700"}, {"state", "up"}, {"load", 0.5}, {"cpus", 2}, {"guests", 0}, {"guests_max", 9}},
        {{"name", "c"}, {"address", "c:7700"}, {"state", "down"}},
        {{"name", "d"}, {"address", "d:7700"}, {"state", "up"}, {"load", 0}, {"cpus", 64}, {"guests", 9}, {"guests_max", 9}},
        {{"name", "own"},
         {"address", "127.0.0.1:7700"},
         {"state", "up"},
         {"load", 0},
         {"cpus", 8},
         {"guests", 0},
         {"guests_max", 9}}};
    auto is_name = [](const std::string& name) { return name != "own"; };
    EXPECT_EQ(*best_of(nodes.dump(), is_name), "b");
    EXPECT_EQ(*best_of(json::array({nodes[4], nodes[2]}).dump(), is_name), "127.0.0.1:7700");
    EXPECT_FALSE(best_of(json::array({nodes[2]}).dump(), is_name));
    EXPECT_FALSE(best_of("garbage", is_name));
    EXPECT_FALSE(best_of("[1,null,{\"name\":7}]", is_name));
}

}  // namespace
}  // namespace job
}  // namespace pmi

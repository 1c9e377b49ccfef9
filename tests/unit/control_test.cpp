// The control socket: where it lives, who is let in, and what hostile input does.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

extern "C" {
#include "interpose/preload/talk.h"
}
#include "runtime/control/client.h"
#include "runtime/control/line_reader.h"
#include "runtime/control/members.h"
#include "runtime/control/protocol.h"
#include "runtime/control/server.h"
#include "runtime/control/socket_place.h"
#include "runtime/control/unix_socket.h"

namespace pmi::control {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

class Directory : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-control-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    void TearDown() override { (void)!std::system(("rm -rf " + path).c_str()); }
    std::string path;
};

struct Lines {
    std::vector<std::string> lines;
    int overlong = 0;
    void feed(LineReader& reader, std::string_view text) {
        reader.feed(
            text, [&](std::string_view l) { lines.emplace_back(l); }, [&] { overlong++; });
    }
};

TEST(LineReader, JoinsPieces) {
    LineReader reader(100);
    Lines got;
    for (char c : std::string("one\ntw")) got.feed(reader, {&c, 1});
    got.feed(reader, "o\n\nthree");
    EXPECT_EQ(got.lines, (std::vector<std::string>{"one", "two", ""}));
    EXPECT_EQ(got.overlong, 0);
}

TEST(LineReader, SkipsAnOverlongLineAndGoesOn) {
    LineReader reader(8);
    Lines got;
    for (int i = 0; i < 100; i++) got.feed(reader, "aaaaaaaaaa");
    got.feed(reader, "\nshort\n");
    EXPECT_EQ(got.lines, std::vector<std::string>{"short"});
    EXPECT_EQ(got.overlong, 1);
}

TEST(LineReader, TakesALineOfExactlyTheLimit) {
    LineReader reader(4);
    Lines got;
    got.feed(reader, "1234\n12345\n");
    EXPECT_EQ(got.lines, std::vector<std::string>{"1234"});
    EXPECT_EQ(got.overlong, 1);
}

TEST(Members, WrongTypesAreAbsent) {
    json o = json::parse(R"({"s":1,"n":"x","big":18446744073709551615,"neg":-1,"zero":0,"huge":4294967296,"f":1.5})");
    EXPECT_FALSE(string_member(o, "s"));
    EXPECT_FALSE(integer_member(o, "n"));
    EXPECT_FALSE(integer_member(o, "big"));
    EXPECT_FALSE(integer_member(o, "f"));
    for (const char* name : {"neg", "zero", "huge", "none", "n"}) EXPECT_FALSE(pid_member(o, name)) << name;
}

TEST_F(Directory, IsMadePrivateInTheRuntimeDirectory) {
    ::setenv("XDG_RUNTIME_DIR", path.c_str(), 1);
    auto made = make_socket_directory();
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(*made, path + "/pmi");
    struct stat st {};
    ASSERT_EQ(::stat(made->c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0700U);
}

TEST_F(Directory, FallsBackToTmp) {
    ::setenv("XDG_RUNTIME_DIR", (path + "/absent").c_str(), 1);
    auto made = make_socket_directory();
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(*made, "/tmp/pmi-" + std::to_string(::geteuid()));
}

TEST_F(Directory, RefusesASymbolicLink) {
    ::setenv("XDG_RUNTIME_DIR", path.c_str(), 1);
    ASSERT_EQ(::mkdir((path + "/elsewhere").c_str(), 0700), 0);
    ASSERT_EQ(::symlink("elsewhere", (path + "/pmi").c_str()), 0);
    EXPECT_FALSE(make_socket_directory());
    EXPECT_FALSE(check_socket_directory(path + "/pmi"));
}

TEST_F(Directory, RefusesOneThatIsOpenToOthers) {
    ::setenv("XDG_RUNTIME_DIR", path.c_str(), 1);
    ASSERT_EQ(::mkdir((path + "/pmi").c_str(), 0755), 0);
    ::chmod((path + "/pmi").c_str(), 0755);
    EXPECT_FALSE(make_socket_directory());
}

TEST_F(Directory, RefusesAnotherOwners) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::mkdir((path + "/pmi").c_str(), 0700), 0);
    ASSERT_EQ(::chown((path + "/pmi").c_str(), 12345, 12345), 0);
    EXPECT_FALSE(check_socket_directory(path + "/pmi"));
}

TEST_F(Directory, BindReplacesOnlyAStaleSocket) {
    std::string socket = path + "/a.sock";
    {
        auto first = bind_unix(socket);
        ASSERT_TRUE(first);
        struct stat st {};
        ASSERT_EQ(::stat(socket.c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, 0600U);
        ASSERT_EQ(::listen(first->get(), 1), 0);
        EXPECT_FALSE(bind_unix(socket));
    }
    EXPECT_TRUE(bind_unix(socket));
    std::ofstream(path + "/file") << "precious";
    EXPECT_FALSE(bind_unix(path + "/file"));
}

TEST_F(Directory, LongPathsWork) {
    std::string deep = path;
    for (int i = 0; i < 5; i++) ASSERT_EQ(::mkdir((deep += "/" + std::string(50, 'd')).c_str(), 0700), 0);
    std::string socket = deep + "/a.sock";
    ASSERT_GT(socket.size(), 200U);
    auto listener = bind_unix(socket);
    ASSERT_TRUE(listener) << listener.error().message();
    ASSERT_EQ(::listen(listener->get(), 1), 0);
    EXPECT_TRUE(connect_unix(socket));
}

TEST_F(Directory, ThePreloadLibraryFindsShortAndLongPaths) {
    std::string deep = path;
    for (int i = 0; i < 5; i++) {
        std::string socket = deep + "/a.sock";
        auto listener = bind_unix(socket);
        ASSERT_TRUE(listener) << listener.error().message();
        ASSERT_EQ(::listen(listener->get(), 1), 0);
        set_control_path(socket.c_str());
        Fd connected(connect_to_supervisor());
        EXPECT_TRUE(connected.valid()) << socket;
        Fd accepted(::accept(listener->get(), nullptr, nullptr));
        EXPECT_TRUE(accepted.valid());
        ASSERT_EQ(::mkdir((deep += "/" + std::string(50, 'd')).c_str(), 0700), 0);
    }
}

// A server that answers {"op":"echo","x":X} with X, "later" after a while, and counts what it was asked.
class Server : public Directory {
  protected:
    void SetUp() override {
        Directory::SetUp();
        socket = path + "/s.sock";
        auto listener = bind_unix(socket);
        ASSERT_TRUE(listener);
        ASSERT_EQ(::listen(listener->get(), 128), 0);
        loop = std::move(*EventLoop::create());
        server = std::make_unique<ControlServer>(*loop, std::move(*listener), [this](RequestId id, const json& r) {
            requests++;
            auto op = string_member(r, "op").value_or("");
            if (op == "stop") loop->stop();
            if (op == "big") return server->reply(id, {{"ok", true}, {"x", std::string(1 << 20, 'x')}});
            if (op == "later")
                loop->after(200ms, [this, id] { server->reply(id, {{"ok", true}, {"late", true}}); });
            else if (op == "echo")
                server->reply(id, {{"ok", true}, {"x", r.value("x", json())}});
            else
                server->refuse(id, "unknown");
        });
        ASSERT_TRUE(server->start());
        thread = std::thread([this] { loop->run(); });
    }
    void TearDown() override {
        auto client = ControlClient::connect(socket);
        ASSERT_TRUE(client);
        (void)client->ask({{"op", "stop"}}, 20ms);  // it ends without an answer
        thread.join();
        Directory::TearDown();
    }
    std::string raw(const std::string& text, size_t lines = 1) {
        auto fd = connect_unix(socket);
        EXPECT_TRUE(fd);
        EXPECT_TRUE(write_all(fd->get(), text.data(), text.size()));
        ::shutdown(fd->get(), SHUT_WR);
        std::string got;
        char buffer[4096];
        ssize_t n = 0;
        while (static_cast<size_t>(std::count(got.begin(), got.end(), '\n')) < lines &&
               (n = ::read(fd->get(), buffer, sizeof buffer)) > 0)
            got.append(buffer, static_cast<size_t>(n));
        return got;
    }
    std::string socket;
    std::unique_ptr<EventLoop> loop;
    std::unique_ptr<ControlServer> server;
    std::thread thread;
    std::atomic<int> requests{0};
};

TEST_F(Server, AnswersAndKeepsIds) {
    EXPECT_EQ(raw("{\"op\":\"echo\",\"x\":[1],\"id\":\"q7\"}\n"), "{\"id\":\"q7\",\"ok\":true,\"x\":[1]}\n");
}

TEST_F(Server, AClientThatClosesItsSideStillGetsALateAnswer) {
    EXPECT_EQ(raw("{\"op\":\"later\"}\n"), "{\"late\":true,\"ok\":true}\n");
}

TEST_F(Server, AnswersOvertakeEachOther) {
    std::string got = raw("{\"op\":\"later\",\"id\":1}\n{\"op\":\"echo\",\"id\":2}\n", 2);
    EXPECT_LT(got.find("\"id\":2"), got.find("\"id\":1"));
}

TEST_F(Server, MalformedInputGetsAnErrorEach) {
    for (std::string bad : {"nonsense", "[1,2]", "7", "\"x\"", "{\"op\":", "{\"a\":1}}", "\xff\xfe", "null"}) {
        std::string got = raw(bad + "\n");
        EXPECT_NE(got.find("\"ok\":false"), std::string::npos) << bad;
    }
    EXPECT_EQ(requests, 0);
}

TEST_F(Server, DeepNestingIsRefused) {
    std::string deep = std::string(30000, '[') + std::string(30000, ']');
    EXPECT_NE(raw("{\"op\":\"echo\",\"id\":" + deep + "}\n").find("\"ok\":false"), std::string::npos);
    EXPECT_NE(raw("{\"op\":\"echo\",\"x\":\"\\\"[[[[[[[[[[[[[[[[[[[[\"}\n").find("\"ok\":true"), std::string::npos)
        << "brackets in a string";
}

TEST_F(Server, AnOverlongLineIsRefusedAndTheNextServed) {
    std::string got = raw("{\"op\":\"" + std::string(3 * kMaxLine, 'a') + "\"}\n{\"op\":\"echo\",\"x\":5}\n", 2);
    EXPECT_NE(got.find("at most"), std::string::npos);
    EXPECT_NE(got.find("\"x\":5"), std::string::npos);
}

TEST_F(Server, TooManyRequestsUnderWayAreRefused) {
    std::string many;
    for (size_t i = 0; i < kMaxPendingRequests + 5; i++) many += "{\"op\":\"later\"}\n";
    std::string got = raw(many, kMaxPendingRequests + 5);
    size_t refused = 0;
    for (size_t at = 0; (at = got.find("too many", at)) != std::string::npos; at++) refused++;
    EXPECT_EQ(refused, 5U);
}

TEST_F(Server, AClientThatNeverReadsBlocksNobody) {
    auto greedy = connect_unix(socket);
    ASSERT_TRUE(greedy);
    std::string many;
    for (int i = 0; i < 40; i++) many += "{\"op\":\"big\"}\n";
    ASSERT_TRUE(write_all(greedy->get(), many.data(), many.size()));
    auto begin = std::chrono::steady_clock::now();
    EXPECT_NE(raw("{\"op\":\"echo\",\"x\":1}\n").find("\"x\":1"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
    // And it is dropped, with what was queued for it.
    char buffer[65536];
    size_t received = 0;
    ssize_t n = 0;
    while ((n = ::read(greedy->get(), buffer, sizeof buffer)) > 0) received += static_cast<size_t>(n);
    EXPECT_LT(received, 2 * kMaxReply);
}

TEST_F(Server, ManyClientsAtOnce) {
    std::vector<ControlClient> clients;
    for (int i = 0; i < 100; i++) {
        auto client = ControlClient::connect(socket);
        ASSERT_TRUE(client);
        clients.push_back(std::move(*client));
    }
    for (int i = 0; i < 100; i++) {
        auto reply = clients[static_cast<size_t>(i)].ask({{"op", "echo"}, {"x", i}}, 2s);
        ASSERT_TRUE(reply) << reply.error().message();
        EXPECT_EQ((*reply)["x"], i);
    }
}

TEST_F(Server, ClientReportsTheSupervisorsWords) {
    auto client = ControlClient::connect(socket);
    ASSERT_TRUE(client);
    auto reply = client->ask({{"op", "dance"}}, 2s);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().message(), "unknown");
    EXPECT_FALSE(client->ask({{"op", "later"}}, 20ms));
}

TEST(EventLoop, TimersRunInOrderAndCanBeCancelled) {
    auto loop = std::move(*EventLoop::create());
    std::string order;
    loop->after(30ms, [&] { order += "c", loop->stop(); });
    auto cancelled = loop->after(20ms, [&] { order += "x"; });
    loop->after(10ms, [&] { order += "a", loop->cancel(cancelled); });
    loop->run();
    EXPECT_EQ(order, "ac");
}

TEST(EventLoop, ADescriptorForgottenByAnEarlierHandlerStaysSilent) {
    auto loop = std::move(*EventLoop::create());
    int a[2], b[2];
    ASSERT_EQ(::pipe(a) | ::pipe(b), 0);
    int calls = 0;
    auto handler = [&](uint32_t) {
        calls++;
        loop->forget(a[0]);
        loop->forget(b[0]);
        loop->after(10ms, [&] { loop->stop(); });
    };
    ASSERT_TRUE(loop->watch(a[0], EPOLLIN, handler));
    ASSERT_TRUE(loop->watch(b[0], EPOLLIN, handler));
    ASSERT_EQ(::write(a[1], "x", 1) + ::write(b[1], "x", 1), 2);
    loop->run();
    EXPECT_EQ(calls, 1);
    for (int fd : {a[0], a[1], b[0], b[1]}) ::close(fd);
}

}  // namespace
}  // namespace pmi::control

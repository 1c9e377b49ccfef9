// Forwarded calls at home, from the frame that asks for one to the frame that answers it. The deputies are children of ours, which
// run the agent's loop.
#include "runtime/deputy/call_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <optional>
#include <thread>

#include "remote/transport/call_channel.h"
#include "runtime/deputy/agent_region.h"
#include "runtime/deputy/watched_files.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

constexpr int kPatienceMs = 20000;

class CallServerTest : public testing::Test {
  protected:
    void SetUp() override {
        auto size = static_cast<size_t>(kAgentSize);
        void* place = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ASSERT_NE(place, MAP_FAILED);
        std::memcpy(place, pmi_agent_begin, static_cast<size_t>(pmi_agent_end - pmi_agent_begin));
        ASSERT_EQ(::mprotect(place, kAgentCode, PROT_READ | PROT_EXEC), 0);
        base_ = reinterpret_cast<uint64_t>(place);
        code_ = Mapping(place, kAgentCode);
        region_ = std::make_shared<AgentRegion>(base_, Mapping(static_cast<char*>(place) + kAgentData, size - kAgentData));
        connect();
        server_.emplace(region_, files_);
        ASSERT_TRUE(server_->start());
        receiver_ = std::thread([this] { receive(); });
    }
    void TearDown() override {
        if (home_) home_->shut_down();
        if (receiver_.joinable()) receiver_.join();
        server_.reset();
        for (pid_t pid : deputies_) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    }
    void connect() {
        ChannelKeys keys = ChannelKeys::random();
        uint16_t port = 0;
        auto listener = listen_tcp("127.0.0.1", &port);
        ASSERT_TRUE(listener);
        std::thread node([&] {
            auto channel = CallChannel::accept(listener->get(), keys, Security::Curve, kPatienceMs);
            if (channel) node_ = std::move(*channel);
        });
        auto channel = CallChannel::connect("127.0.0.1", port, keys, Security::Curve, kPatienceMs);
        node.join();
        ASSERT_TRUE(channel && node_);
        home_ = std::move(*channel);
    }
    // As NodeSession does.
    void receive() {
        for (;;) {
            auto frame = home_->receive();
            if (!frame) return;
            std::span<const std::byte> body(frame->body);
            auto head = take_head<CallHead>(body);
            ASSERT_TRUE(head);
            auto call = decode_call(body);
            ASSERT_TRUE(call);
            call->kept.push_back(std::move(frame->body));
            auto watch = home_->has_read_ahead() ? CallServer::Watch::No : CallServer::Watch::Yes;
            ASSERT_TRUE(server_->begin(*head, std::move(*call), watch));
        }
    }
    pid_t add_deputy() {
        auto slot = region_->allocate_slot();
        EXPECT_TRUE(slot);
        pid_t pid = ::fork();
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            register uint64_t header asm("r14") = region_->header_address();
            asm volatile("mov %0, %%rbx\n\tjmp *%1" ::"r"(region_->slot_address(*slot)), "r"(agent_address(base_, pmi_agent_loop)),
                         "r"(header)
                         : "memory");
            __builtin_unreachable();
        }
        deputies_.push_back(pid);
        EXPECT_TRUE(server_->add_thread(HomePid(pid), HomePid(pid), *slot));
        server_->set_channel(HomePid(pid), home_);
        return pid;
    }
    void ask(pid_t tid, int32_t nr, std::array<uint64_t, 6> args = {}, std::optional<uint64_t> mask = {}) {
        Call call;
        call.nr = nr;
        call.args = args;
        CallHead head{.pid = tid, .tid = tid, .id = ++calls_, .sets_mask = mask.has_value(), .mask = mask.value_or(0)};
        ASSERT_TRUE(node_->send(static_cast<uint8_t>(FrameType::Call), head_bytes(head), encode(call).parts));
    }
    struct Answer {
        pid_t tid;
        int64_t result;
    };
    // Nothing: none came.
    std::optional<Answer> answer() {
        pollfd item{node_->fd(), POLLIN, 0};
        if (!node_->has_read_ahead() && ::poll(&item, 1, kPatienceMs) != 1) return std::nullopt;
        auto frame = node_->receive();
        if (!frame || frame->type != static_cast<uint8_t>(FrameType::Reply)) return std::nullopt;
        std::span<const std::byte> body(frame->body);
        auto head = take_head<CallHead>(body);
        auto reply = head ? decode_reply(body) : Expected<Reply>(Error("no head"));
        if (!reply) return std::nullopt;
        return Answer{head->tid, reply->result};
    }

    uint64_t base_ = 0, calls_ = 0;
    Mapping code_;
    std::shared_ptr<AgentRegion> region_;
    WatchedFiles files_;
    std::shared_ptr<CallChannel> home_;
    std::unique_ptr<CallChannel> node_;
    std::optional<CallServer> server_;
    std::thread receiver_;
    std::vector<pid_t> deputies_;
};

TEST_F(CallServerTest, QuickCallsAndThoseThatTakeTheirTimeAreAnsweredOnceEach) {
    constexpr int kCalls = 3000;
    std::map<pid_t, int> left;
    auto next = [&](pid_t tid) {
        bool waits = left[tid] % 50 == 0;  // a millisecond
        ask(tid, waits ? SYS_poll : SYS_getppid, {0, 0, waits ? 1u : 0u, 0, 0, 0});
    };
    for (int i = 0; i < 4; i++) left[add_deputy()] = kCalls;
    for (pid_t tid : deputies_) next(tid);
    for (size_t answers = 0; answers < deputies_.size() * kCalls; answers++) {
        auto a = answer();
        ASSERT_TRUE(a) << "after " << answers << " answers";
        int& rest = left.at(a->tid);
        ASSERT_EQ(a->result, rest % 50 == 0 ? 0 : ::getpid());
        if (--rest > 0) next(a->tid);
    }
    for (const auto& [tid, rest] : left) EXPECT_EQ(rest, 0);
}

// Nobody looks out for ever: such a call holds up no other one.
TEST_F(CallServerTest, ACallThatWaitsHoldsUpNoOther) {
    pid_t sleeper = add_deputy(), quick = add_deputy();
    ask(sleeper, SYS_pause);
    for (int i = 0; i < 200; i++) {
        ask(quick, SYS_getppid);
        auto a = answer();
        ASSERT_TRUE(a);
        EXPECT_EQ(a->tid, quick);
    }
    EXPECT_EQ(__atomic_load_n(&region_->header()->watchers, __ATOMIC_SEQ_CST), 0u);
}

// Before the call, once.
TEST_F(CallServerTest, AMaskThatComesWithACallIsSetFirst) {
    auto blocked = [](pid_t tid) { return read_status(tid)->sig_blocked; };
    constexpr uint64_t kUsr1 = uint64_t{1} << (SIGUSR1 - 1), kUsr2 = uint64_t{1} << (SIGUSR2 - 1);
    pid_t tid = add_deputy();
    ask(tid, SYS_kill, {static_cast<uint64_t>(tid), SIGUSR1, 0, 0, 0, 0}, kUsr1);  // it would die of it
    auto a = answer();
    ASSERT_TRUE(a);
    EXPECT_EQ(a->result, 0);
    EXPECT_EQ(blocked(tid), kUsr1);
    ask(tid, SYS_getppid);
    ASSERT_TRUE(answer());
    EXPECT_EQ(blocked(tid), kUsr1);
    ask(tid, SYS_getppid, {}, kUsr1 | kUsr2);
    a = answer();
    ASSERT_TRUE(a);
    EXPECT_EQ(a->result, ::getpid());
    EXPECT_EQ(blocked(tid), kUsr1 | kUsr2);
}

TEST_F(CallServerTest, LargeAnswersGoToo) {
    pid_t tid = add_deputy();
    for (int i = 0; i < 20; i++) {
        Call call;
        call.nr = SYS_getrandom;
        call.args = {0, 64 << 10, 0, 0, 0, 0};
        call.arena_size = 64 << 10;
        call.relocs.push_back({0, 0});
        call.out.push_back({0, 64 << 10, OutWhen::Result, 1, 0});
        CallHead head{.pid = tid, .tid = tid, .id = ++calls_};
        ASSERT_TRUE(node_->send(static_cast<uint8_t>(FrameType::Call), head_bytes(head), encode(call).parts));
        auto a = answer();
        ASSERT_TRUE(a);
        EXPECT_EQ(a->result, 64 << 10);
    }
}

}  // namespace
}  // namespace pmi

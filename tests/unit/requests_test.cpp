#include "remote/pmid/requests.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/pmid/session_setup.h"
#include "remote/wire/machine.h"

namespace {

using namespace pmi;

class Requests : public ::testing::Test {
  protected:
    void SetUp() override {
        machine_ = *describe_machine("node");
        machine_.set_memory_available(8ull << 30);
        request_.set_protocol_version(kProtocolVersion);
        request_.set_id(7);
        *request_.mutable_host()->mutable_home() = machine_;
        request_.mutable_host()->set_memory_needed(1ull << 30);
    }
    std::string refusal() {
        auto admitted = admit(request_.host(), machine_for_others(machine_, limits_, use_), use_);
        return admitted ? "" : admitted.error().message();
    }
    wire::Machine machine_;
    wire::Request request_;
    NodeLimits limits_;
    NodeUse use_;
};

TEST_F(Requests, Parse) {
    EXPECT_EQ(parse_request(request_.SerializeAsString()).error, "");
    EXPECT_EQ(parse_request("\xff\xff garbage").error, "malformed request");
    EXPECT_EQ(parse_request(request_.SerializeAsString().substr(0, 40)).error, "malformed request");
    wire::Request nothing;
    nothing.set_protocol_version(kProtocolVersion);
    EXPECT_EQ(parse_request(nothing.SerializeAsString()).error, "unknown request");
    request_.set_protocol_version(kProtocolVersion + 1);
    Parsed newer = parse_request(request_.SerializeAsString());
    EXPECT_NE(newer.error.find("protocol version differs"), std::string::npos);
    EXPECT_EQ(newer.request.id(), 7u);
}

TEST_F(Requests, Admit) {
    EXPECT_EQ(refusal(), "");
    use_.guests = limits_.guests_max;
    EXPECT_NE(refusal().find("is full: 64 of 64 guests"), std::string::npos);
    use_.guests = 0;
    use_.pending_of_peer = kMaxPendingOfPeer;
    EXPECT_NE(refusal().find("busy"), std::string::npos);
    auto not_now = admit(request_.host(), machine_for_others(machine_, limits_, use_), use_);
    EXPECT_EQ(not_now.error().code(), EAGAIN) << "it may wait";
    use_ = {};
    limits_.memory_max = 4ull << 30;
    use_.memory = (3ull << 30) + 1;
    EXPECT_NE(refusal().find("memory: 1024 MiB are needed"), std::string::npos) << refusal();
    use_.memory = ~0ull;
    EXPECT_NE(refusal(), "");
    request_.mutable_host()->clear_home();
    EXPECT_NE(refusal().find("malformed"), std::string::npos);
}

TEST_F(Requests, Answer) {
    wire::Request ping;
    ping.set_id(3);
    ping.mutable_ping();
    wire::Reply reply = answer(ping, machine_);
    EXPECT_EQ(reply.id(), 3u);
    EXPECT_EQ(reply.machine().name(), "node");
    ping.mutable_describe();
    EXPECT_EQ(answer(ping, machine_for_others(machine_, limits_, use_)).machine().guests_max(), 64u);
}

TEST(SessionSetups, RoundTripAndDamage) {
    SessionSetup setup;
    setup.guest.node_name = "n";
    setup.guest.insecure = true;
    setup.guest.report_fd = 4;
    setup.pmid = 99;
    setup.log_level = "info";
    auto fd = write_session_setup(setup);
    ASSERT_TRUE(fd) << fd.error().message();
    auto read = read_session_setup(fd->get());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->guest.node_name, "n");
    EXPECT_TRUE(read->guest.insecure);
    EXPECT_EQ(read->pmid, 99);
    std::string bytes = encode(setup);
    for (size_t i = 0; i < bytes.size(); i++) EXPECT_FALSE(decode_session_setup(bytes.substr(0, i))) << i;
    EXPECT_FALSE(decode_session_setup(bytes + "x"));
}

class SessionOrders : public ::testing::Test {
  protected:
    void SetUp() override {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        pmid_.reset(pair[0]);
        session_.reset(pair[1]);
    }
    Fd pmid_, session_;
};

TEST_F(SessionOrders, BringTheRequestAndThePages) {
    int pages = ::memfd_create("pages", MFD_CLOEXEC);
    ASSERT_EQ(::ftruncate(pages, 4711), 0);
    std::string request(size_t{1} << 20, '\1');  // more than the socket holds
    ASSERT_TRUE(send_order(pmid_.get(), request, pages));
    ::close(pages);
    auto order = receive_order(session_.get());
    ASSERT_TRUE(order) << order.error().message();
    EXPECT_EQ(order->request, request);
    struct stat s {};
    ASSERT_EQ(::fstat(order->pages.get(), &s), 0);
    EXPECT_EQ(s.st_size, 4711);
}

TEST_F(SessionOrders, MayBringNoPages) {
    ASSERT_TRUE(send_order(pmid_.get(), "r", -1));
    auto order = receive_order(session_.get());
    ASSERT_TRUE(order) << order.error().message();
    EXPECT_EQ(order->request, "r");
    EXPECT_FALSE(order->pages.valid());
}

TEST_F(SessionOrders, NeverComeFromAPmidThatIsGone) {
    pmid_.reset();
    auto order = receive_order(session_.get());
    ASSERT_FALSE(order);
    EXPECT_EQ(order.error().code(), ECONNRESET);
}

TEST_F(SessionOrders, ToASessionThatIsGoneAreErrors) {
    session_.reset();
    EXPECT_FALSE(send_order(pmid_.get(), "r", -1));
}

TEST_F(SessionOrders, WithoutARequestAreErrors) {
    ASSERT_EQ(::write(pmid_.get(), "x", 1), 1);
    EXPECT_FALSE(receive_order(session_.get()));
}

}  // namespace

// Transfers that were stopped half-way: which of them go on, and with what arguments.
#include "runtime/tracee/partial_transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "runtime/base/fd.h"

namespace pmi {
namespace {

template <typename T>
uint64_t address(const T* at) {
    return reinterpret_cast<uint64_t>(at);
}
uint64_t number(const Fd& fd) { return static_cast<uint64_t>(fd.get()); }

struct Ends {
    Fd one, other;
};
Ends make_pipe(int flags = 0) {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC | flags), 0);
    return {Fd(fds[0]), Fd(fds[1])};
}
Ends make_sockets(int type) {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    return {Fd(fds[0]), Fd(fds[1])};
}

class PartialTransfer : public ::testing::Test {
  protected:
    // Whether a call that has given `result` goes on.
    bool goes_on(const CallArguments& call, int64_t result) const { return pmi::goes_on(::getpid(), call, result, memory_); }
    CallArguments rest_of(CallArguments call, uint64_t done, uint64_t place = 0) const {
        EXPECT_TRUE(skip_transferred(call, done, place, memory_));
        return call;
    }
    RemoteMemory memory_{::getpid()};
    char bytes_[100] = {};
};

TEST_F(PartialTransfer, WritesGoOnWhereTheKernelWouldHaveWaited) {
    Ends pipe = make_pipe(), impatient = make_pipe(O_NONBLOCK), stream = make_sockets(SOCK_STREAM);
    Fd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)), null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    auto write = [&](const Fd& fd) { return CallArguments{SYS_write, {number(fd), address(bytes_), sizeof bytes_}}; };
    EXPECT_TRUE(goes_on(write(pipe.other), 1));
    EXPECT_TRUE(goes_on(write(stream.one), 99));
    EXPECT_TRUE(goes_on(write(null), 50));
    EXPECT_FALSE(goes_on(write(impatient.other), 1));
    EXPECT_FALSE(goes_on(write(file), 1)) << "a full disk, or a limit";
    EXPECT_FALSE(goes_on(write(pipe.other), 100)) << "it is all there";
    EXPECT_FALSE(goes_on(write(pipe.other), 0));
    EXPECT_FALSE(goes_on(write(pipe.other), -EPIPE));
    EXPECT_FALSE(goes_on({SYS_write, {uint64_t(-1), address(bytes_), sizeof bytes_}}, 1));
    EXPECT_FALSE(goes_on({SYS_pwrite64, {number(pipe.other), address(bytes_), sizeof bytes_}}, 1)) << "not a call that waits";
}

TEST_F(PartialTransfer, FlagsOfOneCallDecideToo) {
    Ends stream = make_sockets(SOCK_STREAM);
    auto send = [&](uint64_t flags) {
        return CallArguments{SYS_sendto, {number(stream.one), address(bytes_), sizeof bytes_, flags}};
    };
    auto receive = [&](uint64_t flags) {
        return CallArguments{SYS_recvfrom, {number(stream.one), address(bytes_), sizeof bytes_, flags}};
    };
    EXPECT_TRUE(goes_on(send(MSG_NOSIGNAL), 10));
    EXPECT_FALSE(goes_on(send(MSG_DONTWAIT), 10));
    EXPECT_FALSE(goes_on(receive(0), 10)) << "it gives what there is";
    EXPECT_TRUE(goes_on(receive(MSG_WAITALL), 10));
    EXPECT_FALSE(goes_on(receive(MSG_WAITALL | MSG_PEEK), 10));
    EXPECT_FALSE(goes_on(receive(MSG_WAITALL | MSG_DONTWAIT), 10));
}

TEST_F(PartialTransfer, ReadsGoOnOfWhatNeverRunsDry) {
    Ends pipe = make_pipe();
    Fd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(goes_on({SYS_read, {number(zero), address(bytes_), sizeof bytes_}}, 10));
    EXPECT_FALSE(goes_on({SYS_read, {number(pipe.one), address(bytes_), sizeof bytes_}}, 10));
    EXPECT_TRUE(goes_on({SYS_getrandom, {address(bytes_), sizeof bytes_, 0}}, 10));
    EXPECT_FALSE(goes_on({SYS_getrandom, {address(bytes_), sizeof bytes_, 0}}, 100));
}

TEST_F(PartialTransfer, SendfileLeavesAFullPipe) {
    Ends pipe = make_pipe(), stream = make_sockets(SOCK_STREAM);
    EXPECT_TRUE(goes_on({SYS_sendfile, {number(stream.one), 0, 0, 1000}}, 10));
    EXPECT_FALSE(goes_on({SYS_sendfile, {number(pipe.other), 0, 0, 1000}}, 10));
}

TEST_F(PartialTransfer, MessagesAreCounted) {
    Ends datagrams = make_sockets(SOCK_DGRAM), stream = make_sockets(SOCK_STREAM);
    mmsghdr messages[3] = {};
    auto call = [&](int64_t nr, const Fd& fd, uint64_t flags) {
        return CallArguments{nr, {number(fd), address(messages), 3, flags}};
    };
    EXPECT_TRUE(goes_on(call(SYS_sendmmsg, datagrams.one, 0), 1));
    EXPECT_TRUE(goes_on(call(SYS_recvmmsg, datagrams.one, 0), 2));
    EXPECT_FALSE(goes_on(call(SYS_recvmmsg, datagrams.one, 0), 3));
    EXPECT_FALSE(goes_on(call(SYS_recvmmsg, datagrams.one, MSG_WAITFORONE), 1));
    EXPECT_FALSE(goes_on(call(SYS_sendmmsg, stream.one, 0), 1)) << "the last message may have gone in part";
    CallArguments rest = rest_of(call(SYS_sendmmsg, datagrams.one, 0), 2);
    EXPECT_EQ(rest.args[1], address(&messages[2]));
    EXPECT_EQ(rest.args[2], 1U);
}

TEST_F(PartialTransfer, TheRestOfABuffer) {
    CallArguments rest = rest_of({SYS_write, {7, address(bytes_), 100}}, 30);
    EXPECT_EQ(rest.args[0], 7U);
    EXPECT_EQ(rest.args[1], address(bytes_ + 30));
    EXPECT_EQ(rest.args[2], 70U);
    rest = rest_of({SYS_getrandom, {address(bytes_), 100, 1}}, 30);
    EXPECT_EQ(rest.args[0], address(bytes_ + 30));
    EXPECT_EQ(rest.args[1], 70U);
    rest = rest_of({SYS_sendfile, {7, 8, 0, 100}}, 30);
    EXPECT_EQ(rest.args[1], 8U) << "its position moves by itself";
    EXPECT_EQ(rest.args[3], 70U);
}

TEST_F(PartialTransfer, TheRestOfAVectorBeginsWithinABuffer) {
    iovec v[] = {{bytes_, 10}, {bytes_ + 10, 0}, {bytes_ + 20, 20}, {bytes_ + 50, 5}};
    CallArguments call{SYS_writev, {1, address(v), 4}};
    Ends pipe = make_pipe();
    EXPECT_TRUE(goes_on({SYS_writev, {number(pipe.other), address(v), 4}}, 34));
    EXPECT_FALSE(goes_on({SYS_writev, {number(pipe.other), address(v), 4}}, 35));
    std::vector<std::byte> copy(kRestSize);
    CallArguments rest = rest_of(call, 13, address(copy.data()));
    EXPECT_EQ(v[0].iov_len, 10U) << "the program's own is left alone";
    ASSERT_EQ(rest.args[1], address(copy.data()));
    iovec there[4];
    std::memcpy(there, copy.data(), sizeof there);
    EXPECT_EQ(there[0].iov_len, 0U);
    EXPECT_EQ(there[1].iov_len, 0U);
    EXPECT_EQ(there[2].iov_base, bytes_ + 23);
    EXPECT_EQ(there[2].iov_len, 17U);
    EXPECT_EQ(there[3].iov_base, bytes_ + 50);
    EXPECT_EQ(there[3].iov_len, 5U);
    rest = rest_of(call, 13);
    EXPECT_EQ(rest.args[1], address(v));
    EXPECT_EQ(v[2].iov_base, bytes_ + 23) << "changed where it is";
}

TEST_F(PartialTransfer, WhatCameAlongWithAMessageHasGone) {
    char control[64] = {};
    iovec v[] = {{bytes_, 10}, {bytes_ + 10, 10}};
    msghdr message{};
    message.msg_iov = v;
    message.msg_iovlen = 2;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    CallArguments call{SYS_sendmsg, {1, address(&message), 0}};
    std::vector<std::byte> copy(kRestSize);
    CallArguments rest = rest_of(call, 15, address(copy.data()));
    EXPECT_EQ(message.msg_controllen, sizeof control);
    EXPECT_EQ(v[1].iov_len, 10U);
    msghdr there{};
    ASSERT_EQ(rest.args[1], address(copy.data()));
    std::memcpy(&there, copy.data(), sizeof there);
    EXPECT_EQ(there.msg_controllen, 0U);
    ASSERT_EQ(address(there.msg_iov), address(copy.data() + 64));
    EXPECT_EQ(there.msg_iov[0].iov_len, 0U);
    EXPECT_EQ(there.msg_iov[1].iov_base, bytes_ + 15);
    EXPECT_EQ(there.msg_iov[1].iov_len, 5U);
}

TEST_F(PartialTransfer, WhatTheProgramPointsToMayBeWrong) {
    auto nowhere = uint64_t{1} << 46;
    Ends pipe = make_pipe();
    EXPECT_FALSE(goes_on({SYS_writev, {number(pipe.other), nowhere, 2}}, 1));
    EXPECT_FALSE(goes_on({SYS_writev, {number(pipe.other), address(bytes_), uint64_t{1} << 40}}, 1));
    CallArguments call{SYS_writev, {number(pipe.other), nowhere, 2}};
    EXPECT_FALSE(skip_transferred(call, 1, 0, memory_));
    call = {SYS_getpid, {}};
    EXPECT_FALSE(skip_transferred(call, 1, 0, memory_));
}

// What it is for: the sum of both halves is what was asked for.
TEST_F(PartialTransfer, BothHalvesMakeTheWhole) {
    std::string text(90, ' ');
    for (size_t i = 0; i < text.size(); i++) text[i] = static_cast<char>('!' + i);
    iovec v[] = {{text.data(), 40}, {text.data() + 40, 50}};
    for (uint64_t done = 1; done < text.size(); done++) {
        Ends pipe = make_pipe();
        ASSERT_EQ(::write(pipe.other.get(), text.data(), done), static_cast<ssize_t>(done));
        std::vector<std::byte> copy(kRestSize);
        CallArguments rest = rest_of({SYS_writev, {number(pipe.other), address(v), 2}}, done, address(copy.data()));
        ASSERT_EQ(::syscall(rest.nr, rest.args[0], rest.args[1], rest.args[2]), static_cast<ssize_t>(text.size() - done));
        char got[100] = {};
        ASSERT_EQ(::read(pipe.one.get(), got, sizeof got), static_cast<ssize_t>(text.size()));
        ASSERT_EQ(text, got);
    }
}

}  // namespace
}  // namespace pmi

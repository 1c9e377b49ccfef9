#include "runtime/tracee/partial_transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/kernel/descriptor_copy.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/socket_timeout.h"

namespace pmi {
namespace {

enum class Data { Buffer, Vector, Message, Messages, Nothing };

struct Form {
    Data data = Data::Buffer;
    uint8_t where = 1, count = 2;  // arguments: the buffer or vector, and its size
    int flags = -1;                // argument with MSG_* flags
    bool is_write = true;
};

std::optional<Form> form_of(int64_t nr) {
    switch (nr) {
        case SYS_write: return Form{};
        case SYS_writev: return Form{.data = Data::Vector};
        case SYS_sendto: return Form{.flags = 3};
        case SYS_sendmsg: return Form{.data = Data::Message, .flags = 2};
        case SYS_sendfile: return Form{.data = Data::Nothing, .count = 3};
        case SYS_read: return Form{.is_write = false};
        case SYS_recvfrom: return Form{.flags = 3, .is_write = false};
        case SYS_recvmsg: return Form{.data = Data::Message, .flags = 2, .is_write = false};
        case SYS_sendmmsg: return Form{.data = Data::Messages, .flags = 3};
        case SYS_recvmmsg: return Form{.data = Data::Messages, .flags = 3, .is_write = false};
        case SYS_getrandom: return Form{.where = 0, .count = 1, .is_write = false};
        default: return std::nullopt;
    }
}

Expected<msghdr> message_of(const CallArguments& call, const RemoteMemory& memory) { return memory.get<msghdr>(call.args[1]); }

Expected<std::vector<iovec>> read_vector(uint64_t address, uint64_t count, const RemoteMemory& memory) {
    if (count > IOV_MAX) return fail("a vector of {} buffers", count);
    std::vector<iovec> v(count);
    TRY(memory.read(address, std::as_writable_bytes(std::span(v))));
    return v;
}

Expected<std::vector<iovec>> vector_of(const CallArguments& call, const Form& form, const RemoteMemory& memory) {
    if (form.data == Data::Vector) return read_vector(call.args[form.where], call.args[form.count], memory);
    TRY_ASSIGN(msghdr message, message_of(call, memory));
    return read_vector(reinterpret_cast<uint64_t>(message.msg_iov), message.msg_iovlen, memory);
}

Expected<uint64_t> asked_for(const CallArguments& call, const Form& form, const RemoteMemory& memory) {
    if (form.data == Data::Messages) return static_cast<uint32_t>(call.args[form.count]);
    if (form.data == Data::Buffer || form.data == Data::Nothing) return call.args[form.count];
    TRY_ASSIGN(auto v, vector_of(call, form, memory));
    uint64_t sum = 0;
    for (const auto& part : v) sum += part.iov_len;
    return sum;
}

bool blocks(pid_t pid, int fd) {
    auto flags = read_fd_flags(pid, fd);
    return flags && (*flags & O_NONBLOCK) == 0;
}

constexpr unsigned kMemoryDevices = 1;  // major number: /dev/zero, /dev/random, ...

// sendfile fills a pipe and leaves it at that.
bool write_goes_on(pid_t pid, int fd, bool is_sendfile) {
    struct stat st {};
    if (::stat(fmt::format("/proc/{}/fd/{}", pid, fd).c_str(), &st) != 0 || !blocks(pid, fd)) return false;
    return S_ISSOCK(st.st_mode) || (!is_sendfile && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)));
}

bool is_memory_device(pid_t pid, int fd) {
    struct stat st {};
    return ::stat(fmt::format("/proc/{}/fd/{}", pid, fd).c_str(), &st) == 0 && S_ISCHR(st.st_mode) &&
           major(st.st_rdev) == kMemoryDevices;
}

// What interrupts recvmmsg behind a first message is kept as the socket's error, for its next call to give.
void forget_interruption(const Fd& socket) {
    constexpr int kErestartSysError = 512;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error == 0) return;
    if (error != kErestartSysError && error != EINTR) spdlog::warn("an error {} of a socket is lost", error);
}

bool messages_go_on(pid_t tid, const CallArguments& call) {
    int fd = static_cast<int>(call.args[0]);
    if ((call.args[3] & MSG_WAITFORONE) != 0 || !blocks(tid, fd)) return false;
    Fd socket = copy_of_fd(tid, fd);
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) return false;
    if (call.nr == SYS_recvmmsg) forget_interruption(socket);
    // The last message of a stream may have been sent in part.
    return type != SOCK_STREAM;
}

void skip_in(std::vector<iovec>& v, uint64_t done) {
    for (auto& part : v) {
        uint64_t here = std::min<uint64_t>(done, part.iov_len);
        part.iov_base = static_cast<char*>(part.iov_base) + here;
        part.iov_len -= here;
        done -= here;
    }
}

}  // namespace

CallArguments arguments_of(const Registers& r) {
    return {static_cast<int64_t>(r.orig_rax), {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}};
}

void set_arguments(Registers& r, const CallArguments& call) {
    r.rdi = call.args[0];
    r.rsi = call.args[1];
    r.rdx = call.args[2];
    r.r10 = call.args[3];
    r.r8 = call.args[4];
    r.r9 = call.args[5];
}

bool goes_on(pid_t pid, const CallArguments& call, int64_t result, const RemoteMemory& memory) {
    auto form = form_of(call.nr);
    if (!form || result <= 0) return false;
    auto asked = asked_for(call, *form, memory);
    if (!asked || static_cast<uint64_t>(result) >= *asked) return false;
    if (form->flags >= 0 && (call.args[static_cast<size_t>(form->flags)] & MSG_DONTWAIT)) return false;
    int fd = static_cast<int>(call.args[0]);
    switch (call.nr) {
        case SYS_getrandom: return true;
        case SYS_recvfrom: return (call.args[3] & MSG_WAITALL) != 0 && (call.args[3] & MSG_PEEK) == 0 && blocks(pid, fd);
        case SYS_recvmsg: return (call.args[2] & MSG_WAITALL) != 0 && (call.args[2] & MSG_PEEK) == 0 && blocks(pid, fd);
        case SYS_recvmmsg:
        case SYS_sendmmsg: return messages_go_on(pid, call);
        case SYS_read: return is_memory_device(pid, fd);
        default: return write_goes_on(pid, fd, call.nr == SYS_sendfile);
    }
}

Status skip_transferred(CallArguments& call, uint64_t done, uint64_t place, const RemoteMemory& memory) {
    auto form = form_of(call.nr);
    if (!form) return fail("system call {} can't be made for a rest", call.nr);
    if (form->data == Data::Buffer || form->data == Data::Nothing) {
        if (form->data == Data::Buffer) call.args[form->where] += done;
        call.args[form->count] -= done;
        return {};
    }
    if (form->data == Data::Messages) {
        call.args[form->where] += done * sizeof(mmsghdr);
        call.args[form->count] -= done;
        return {};
    }
    TRY_ASSIGN(auto v, vector_of(call, *form, memory));
    skip_in(v, done);
    auto bytes = std::as_bytes(std::span(v));
    if (form->data == Data::Vector) {
        if (place != 0) call.args[form->where] = place;
        return memory.write(call.args[form->where], bytes);
    }
    TRY_ASSIGN(msghdr message, message_of(call, memory));
    // What came along (file descriptors, credentials) has gone with the first bytes.
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    if (place != 0) {
        static_assert(sizeof(msghdr) <= 64);
        message.msg_iov = reinterpret_cast<iovec*>(place + 64);  // NOLINT: an address in the other process
        call.args[1] = place;
    }
    TRY(memory.write(reinterpret_cast<uint64_t>(message.msg_iov), bytes));
    return memory.put(call.args[1], message);
}

}  // namespace pmi

#include "remote/pmid/session_setup.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace pmi {

namespace {

// Fields in their order: numbers of 8 bytes, and strings behind their length.
class Writer {
  public:
    void number(uint64_t value) { text_.append(reinterpret_cast<const char*>(&value), sizeof value); }
    void string(const std::string& value) {
        number(value.size());
        text_ += value;
    }
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

class Reader {
  public:
    explicit Reader(std::string_view text) : text_(text) {}
    uint64_t number() {
        uint64_t value = 0;
        std::string_view raw = take(sizeof value);
        if (raw.size() == sizeof value) std::memcpy(&value, raw.data(), sizeof value);
        return value;
    }
    std::string string() { return std::string(take(number())); }
    bool is_short() const { return short_; }
    bool whole() const { return !short_ && text_.empty(); }

  private:
    std::string_view take(uint64_t size) {
        if (size > text_.size()) short_ = true;
        if (short_) return {};
        std::string_view taken = text_.substr(0, size);
        text_.remove_prefix(size);
        return taken;
    }
    std::string_view text_;
    bool short_ = false;
};

}  // namespace

std::string encode(const SessionSetup& setup) {
    Writer out;
    out.string(setup.guest.node_name);
    out.string(setup.guest.listen_address);
    out.number(setup.guest.insecure ? 1 : 0);
    out.number(static_cast<uint64_t>(setup.guest.report_fd));
    out.number(static_cast<uint64_t>(setup.pmid));
    out.string(setup.log_file);
    out.string(setup.log_level);
    out.number(setup.guest.memory_max);
    out.number(setup.guest.patching ? 1 : 0);
    out.number(setup.guest.own_files ? 1 : 0);
    out.number(setup.guest.cgroups.size());
    for (const auto& directory : setup.guest.cgroups) out.string(directory);
    return out.take();
}

Expected<SessionSetup> decode_session_setup(std::string_view bytes) {
    Reader in(bytes);
    SessionSetup setup;
    setup.guest.node_name = in.string();
    setup.guest.listen_address = in.string();
    setup.guest.insecure = in.number() != 0;
    setup.guest.report_fd = static_cast<int>(in.number());
    setup.pmid = static_cast<int>(in.number());
    setup.log_file = in.string();
    setup.log_level = in.string();
    setup.guest.memory_max = in.number();
    setup.guest.patching = in.number() != 0;
    setup.guest.own_files = in.number() != 0;
    for (uint64_t left = in.number(); left > 0 && !in.is_short(); left--) setup.guest.cgroups.push_back(in.string());
    if (!in.whole()) return fail("guest session: malformed setup");
    return setup;
}

namespace {

Expected<Fd> sealed_memory(const std::string& bytes) {
    Fd fd(::memfd_create("pmi-session", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid()) return fail_errno("memfd_create");
    TRY(write_all(fd.get(), bytes.data(), bytes.size()));
    if (::lseek(fd.get(), 0, SEEK_SET) != 0) return fail_errno("lseek");
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return fail_errno("seal a memfd");
    return fd;
}

Expected<std::string> read_to_end(int fd) {
    std::string bytes;
    char buffer[65536];
    for (;;) {
        ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("guest session: read a memfd");
        if (n == 0) return bytes;
        bytes.append(buffer, static_cast<size_t>(n));
    }
}

constexpr size_t kOrderFds = 2;  // at most

}  // namespace

Expected<Fd> write_session_setup(const SessionSetup& setup) { return sealed_memory(encode(setup)); }

Expected<SessionSetup> read_session_setup(int fd) {
    TRY_ASSIGN(std::string bytes, read_to_end(fd));
    return decode_session_setup(bytes);
}

Status send_order(int socket, const std::string& request, int pages) {
    TRY_ASSIGN(Fd memory, sealed_memory(request));
    int fds[kOrderFds] = {memory.get(), pages};
    size_t size = (pages >= 0 ? 2 : 1) * sizeof(int);
    char byte = 0;
    iovec iov{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)]{};
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = CMSG_SPACE(size);
    cmsghdr* c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(c), fds, size);
    if (::sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return fail_errno("give a guest session its work");
    return {};
}

Expected<GuestOrder> receive_order(int socket) {
    int fds[kOrderFds] = {-1, -1};
    char byte = 0;
    iovec iov{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)];
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    ssize_t n = 0;
    while ((n = ::recvmsg(socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
    }
    if (n < 0) return fail_errno("guest session: wait for its work");
    if (n == 0) return fail_code(ECONNRESET, "guest session: there is no work for it");
    if (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr && c->cmsg_type == SCM_RIGHTS)
        std::memcpy(fds, CMSG_DATA(c), std::min(sizeof fds, c->cmsg_len - CMSG_LEN(0)));
    Fd request(fds[0]);
    GuestOrder order{"", Fd(fds[1])};
    if (!request.valid()) return fail("guest session: work without a request");
    TRY_ASSIGN(order.request, read_to_end(request.get()));
    return order;
}

}  // namespace pmi

// After a cut: home connects again and says how many frames it has; the node answers with how many it has; what is missing
// is sent again. Which frames were in the dead connection's buffers plays no role.
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "remote/transport/call_channel_state.h"
#include "remote/transport/deadline.h"
#include "remote/transport/handshake_io.h"
#include "remote/transport/tcp.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"

namespace pmi {
namespace {

constexpr int kAttemptMs = 2000;  // one connection and handshake
constexpr int kPauseMs = 200;     // between two attempts
// A reset came over a working network: either home comes back at once, or its process has died.
constexpr int kResetWaitMs = 5000;

struct Resumed {
    Fd connection;
    uint64_t peer_received = 0;
};

Expected<Resumed> resume(const std::string& host, uint16_t port, const ChannelKeys& keys, uint64_t received, int timeout_ms,
                         int wake) {
    Deadline deadline(timeout_ms);
    TRY_ASSIGN(Fd fd, connect_tcp(host, port, timeout_ms));
    TRY(set_call_options(fd.get()));
    ResumeHello hello = make_resume_hello(keys, received);
    TRY(send_now(fd.get(), hello.data(), hello.size()));
    ResumeAnswer answer{};
    TRY(read_whole(fd.get(), answer.data(), answer.size(), deadline, wake));
    TRY_ASSIGN(uint64_t peer_received, check_resume_answer(hello, answer, keys));
    ResumeConfirm confirm = make_resume_confirm(hello, answer, keys);
    TRY(send_now(fd.get(), confirm.data(), confirm.size()));
    return Resumed{std::move(fd), peer_received};
}

// The other end's process is gone, or another one is there.
bool is_final(const Error& error) { return error.code() == ECONNREFUSED || error.code() == EACCES || error.code() == EPROTO; }

}  // namespace

void CallChannel::State::note_cut(int code) {
    if (cut.exchange(true)) return;
    cut_code = code;
    ::shutdown(fd.get(), SHUT_RDWR);  // the other of sender and receiver hears of it
    if (setup.side == Side::Home) return;
    int wait_ms = code == ECONNRESET ? std::min(setup.resume_ms, kResetWaitMs) : setup.resume_ms;
    spdlog::warn("the connection to home is cut ({}); waiting {} s for it", ::strerrordesc_np(code), wait_ms / 1000);
    if (auto armed = setup.listener->expire_in(wait_ms); !armed) {
        spdlog::error("{}", armed.error().message());
        shut_down();
    }
}

Status CallChannel::State::reconnect() {
    if (resender.joinable()) resender.join();
    cut = true;  // the resender of a connection that was cut again at once may have found it whole
    std::string where = show_host_port(setup.host, setup.port);
    spdlog::warn("the connection to {} is cut ({}); trying for {} s to get it back", where, ::strerrordesc_np(cut_code),
                 setup.resume_ms / 1000);
    Deadline deadline(setup.resume_ms);
    for (;;) {
        if (broken) return fail_code(ECONNRESET, "call channel: receive");
        int attempt_ms = std::clamp(deadline.left_ms(), 1, kAttemptMs);
        auto resumed = resume(setup.host, setup.port, setup.keys, received, attempt_ms, wake.get());
        if (resumed) {
            replace(std::move(resumed->connection));
            // In a thread of its own: the peer is doing the same, and somebody has to receive.
            TRY_ASSIGN(resender, start_thread([this, has = resumed->peer_received] { (void)send_again(has); }));
            spdlog::info("the connection to {} is back", where);
            return {};
        }
        if (is_final(resumed.error())) return std::move(resumed.error()).within("the session there has ended");
        if (deadline.over()) return fail_code(cut_code, "cut, and not back within {} s", setup.resume_ms / 1000);
        pollfd item{wake.get(), POLLIN, 0};
        (void)::poll(&item, 1, kPauseMs);
    }
}

Status CallChannel::State::serve_resumption() {
    if (broken) return fail_code(ECONNRESET, "call channel: receive");
    auto returned = setup.listener->serve(setup.keys, received);
    if (!returned) {
        shut_down();
        return std::move(returned.error()).within("the connection to home was cut");
    }
    if (!*returned) return {};
    note_cut(ECONNRESET);  // if home has seen it first
    TRY(setup.listener->expire_in(0));
    replace(std::move((*returned)->connection));
    spdlog::info("the connection to home is back");
    return send_again((*returned)->received);
}

void CallChannel::State::replace(Fd connection) {
    in.forget_bytes();
    // A sender that is still in the dead connection leaves it at once: it has been shut down.
    std::scoped_lock guard(send_lock, fd_lock);
    fd = std::move(connection);
    if (broken) ::shutdown(fd.get(), SHUT_RDWR);
}

// Frames that others add meanwhile wait for send_lock, or are already among those that are sent again.
Status CallChannel::State::send_again(uint64_t peer_received) {
    std::lock_guard guard(send_lock);
    auto missing = sent.after(peer_received);
    if (!missing) {
        shut_down();
        return std::move(missing.error());
    }
    TRY(sent.acknowledge(peer_received));
    cut = false;
    for (const auto& frame : *missing) TRY(transmit(*frame));
    return {};
}

}  // namespace pmi

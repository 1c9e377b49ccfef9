#include "runtime/control/client.h"

#include <poll.h>
#include <sys/socket.h>

#include "runtime/control/members.h"
#include "runtime/control/protocol.h"
#include "runtime/control/unix_socket.h"

namespace pmi::control {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

Expected<ControlClient> ControlClient::connect(const std::string& path) {
    TRY_ASSIGN(Fd fd, connect_unix(path));
    TRY_ASSIGN(PeerIdentity peer, peer_of(fd.get()));
    if (peer.uid != ::geteuid() && ::geteuid() != 0) return fail("{}: served by user {}", path, peer.uid);
    return ControlClient(std::move(fd), path);
}

Status ControlClient::send(const json& request) {
    std::string line = request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    for (size_t done = 0; done < line.size();) {
        ssize_t n = ::send(fd_.get(), line.data() + done, line.size() - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("write to {}", path_);
        done += static_cast<size_t>(n);
    }
    return {};
}

Expected<json> ControlClient::receive(std::optional<milliseconds> limit) {
    TRY_ASSIGN(std::string answer, read_line(limit));
    json reply = json::parse(answer, nullptr, false);
    if (!reply.is_object()) return fail("{}: the supervisor's answer makes no sense", path_);
    return reply;
}

Expected<json> ControlClient::ask(const json& request, std::optional<milliseconds> limit) {
    TRY(send(request));
    TRY_ASSIGN(json reply, receive(limit));
    if (bool_member(reply, "ok")) return reply;
    return error_of(reply);
}

Error error_of(const json& reply) { return Error(string_member(reply, "error").value_or("refused, without a reason")); }

Expected<std::string> ControlClient::read_line(std::optional<milliseconds> limit) {
    auto deadline = steady_clock::now() + limit.value_or(milliseconds(0));
    for (;;) {
        size_t newline = received_.find('\n');
        if (newline != std::string::npos) {
            std::string line = received_.substr(0, newline);
            received_.erase(0, newline + 1);
            return line;
        }
        if (received_.size() > 2 * kMaxReply) return fail("{}: the supervisor's answer is too long", path_);
        int wait = -1;
        if (limit) {
            auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
            wait = left > 0 ? static_cast<int>(left) : 0;
        }
        pollfd p{fd_.get(), POLLIN, 0};
        int ready = ::poll(&p, 1, wait);
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) return fail_code(ETIMEDOUT, "{}: the supervisor doesn't answer", path_);
        char buffer[16384];
        ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read from {}", path_);
        if (n == 0) return fail_code(ECONNRESET, "{}: the supervisor ended", path_);
        received_.append(buffer, static_cast<size_t>(n));
    }
}

}  // namespace pmi::control

#include "runtime/control/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "runtime/control/line_reader.h"
#include "runtime/control/protocol.h"
#include "runtime/control/request.h"
#include "runtime/control/unix_socket.h"

namespace pmi::control {

using nlohmann::json;

struct ControlServer::Client {
    Fd fd;
    LineReader reader{kMaxLine};
    std::string out;  // not yet written
    size_t pending = 0;
    bool reading = true;  // false once the client has shut its side down
};

ControlServer::ControlServer(EventLoop& loop, Fd listener, OnRequest on_request)
    : loop_(loop), listener_(std::move(listener)), on_request_(std::move(on_request)) {}

ControlServer::~ControlServer() {
    loop_.forget(listener_.get());
    for (auto& [id, client] : clients_) loop_.forget(client->fd.get());
}

Status ControlServer::start() {
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    return loop_.watch(listener_.get(), EPOLLIN, [this](uint32_t) { accept_some(); });
}

Status ControlServer::listen_at(Fd socket) {
    constexpr int kBacklog = 128;
    if (::listen(socket.get(), kBacklog) != 0) return fail_errno("listen at a control socket");
    loop_.forget(listener_.get());
    listener_ = std::move(socket);
    return start();
}

void ControlServer::accept_some() {
    for (int i = 0; i < 16; i++) {  // then let others have their turn
        Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd.valid()) {
            // Out of descriptors: epoll would report the waiting connection again at once, for ever.
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) rest_listener();
            return;
        }
        adopt(std::move(fd));
    }
}

void ControlServer::rest_listener() {
    loop_.change(listener_.get(), 0);
    loop_.after(std::chrono::milliseconds(100), [this] { loop_.change(listener_.get(), EPOLLIN); });
}

void ControlServer::adopt(Fd fd) {
    auto peer = peer_of(fd.get());
    if (!peer || (peer->uid != ::geteuid() && peer->uid != 0)) return;
    if (clients_.size() >= kMaxClients) return;
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    uint64_t id = next_client_++;
    if (!loop_.watch(fd.get(), EPOLLIN, [this, id](uint32_t events) { on_client(id, events); })) return;
    auto client = std::make_unique<Client>();
    client->fd = std::move(fd);
    clients_.emplace(id, std::move(client));
}

void ControlServer::on_client(uint64_t id, uint32_t events) {
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(id, events);
    auto it = clients_.find(id);
    if (it != clients_.end() && (events & EPOLLOUT) && !write_out(*it->second)) drop(id);
}

void ControlServer::on_readable(uint64_t id, uint32_t events) {
    Client& client = *clients_.at(id);
    char buffer[16384];
    ssize_t n = ::recv(client.fd.get(), buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        // "echo '{...}' | nc -U" closes its sending side at once and still wants the replies; HUP: closed
        // both.
        client.reading = false;
        bool gone = n < 0 || (events & (EPOLLHUP | EPOLLERR)) != 0;
        if (gone || (client.pending == 0 && client.out.empty())) return drop(id);
        return loop_.change(client.fd.get(), client.out.empty() ? 0U : static_cast<uint32_t>(EPOLLOUT));
    }
    client.reader.feed(
        {buffer, static_cast<size_t>(n)}, [&](std::string_view line) { on_line(id, line); },
        [&] {
            send(id, {{"ok", false}, {"error", fmt::format("a request is at most {} bytes long", kMaxLine)}});
        });
    // The reader lives in the client: whoever must go is dropped only now.
    if (client.out.size() > kMaxReply) drop(id);
}

void ControlServer::on_line(uint64_t id, std::string_view line) {
    if (line.empty()) return;
    Client& client = *clients_.at(id);
    json request = parse_request(line);
    if (!request.is_object()) return send(id, {{"ok", false}, {"error", "a request is one JSON object a line"}});
    RequestId request_id{id, request.contains("id") ? request["id"] : json()};
    client.pending++;
    if (client.pending > kMaxPendingRequests) return refuse(request_id, "too many requests under way");
    on_request_(std::move(request_id), request);
}

void ControlServer::reply(const RequestId& request, json answer) {
    auto it = clients_.find(request.client);
    if (it == clients_.end()) return;
    it->second->pending--;
    if (!request.id.is_null()) answer["id"] = request.id;
    send(request.client, answer);
}

void ControlServer::refuse(const RequestId& request, const std::string& why) { reply(request, {{"ok", false}, {"error", why}}); }

void ControlServer::send(uint64_t id, const json& answer) {
    auto it = clients_.find(id);
    if (it == clients_.end()) return;
    Client& client = *it->second;
    client.out += answer.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    // Not written here: the caller may be in the middle of reading this very client.
    loop_.change(client.fd.get(), (client.reading ? EPOLLIN : 0U) | EPOLLOUT);
}

bool ControlServer::write_out(Client& client) {
    while (!client.out.empty()) {
        ssize_t n = ::send(client.fd.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN && client.out.size() <= kMaxReply;
        client.out.erase(0, static_cast<size_t>(n));
    }
    loop_.change(client.fd.get(), client.reading ? static_cast<uint32_t>(EPOLLIN) : 0U);
    return client.reading || client.pending > 0;
}

void ControlServer::flush() {
    for (auto& [id, client] : clients_) {
        pollfd p{client->fd.get(), POLLOUT, 0};
        if (!client->out.empty() && ::poll(&p, 1, 100) > 0) write_out(*client);
    }
}

void ControlServer::drop(uint64_t id) {
    auto it = clients_.find(id);
    if (it == clients_.end()) return;
    loop_.forget(it->second->fd.get());
    clients_.erase(it);
}

}  // namespace pmi::control

// The serving side of the control socket: accepts, checks who it is, reads requests, queues replies. Never
// blocks on a client: one that doesn't read its replies is dropped when its queue is full. What a client
// sends is never trusted further than "this is a JSON object".
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/control/event_loop.h"

namespace pmi::control {

// Names one request of one client, so that its reply finds the way back; the client may be gone by then.
struct RequestId {
    uint64_t client = 0;
    nlohmann::json id;  // what the request said in "id", or null
};

class ControlServer {
  public:
    using OnRequest = std::function<void(RequestId, const nlohmann::json&)>;

    ControlServer(EventLoop& loop, Fd listener, OnRequest on_request);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    Status start();
    // Bound, not yet listening: instead of the listener so far, which nobody finds any more.
    Status listen_at(Fd socket);
    // A connection that was accepted before this process took over.
    void adopt(Fd connection);
    void reply(const RequestId& request, nlohmann::json answer);
    void refuse(const RequestId& request, const std::string& why);
    size_t client_count() const { return clients_.size(); }
    // Sends what is queued, waiting a moment at most; for the supervisor's end.
    void flush();

  private:
    struct Client;
    void accept_some();
    void rest_listener();
    void on_client(uint64_t id, uint32_t events);
    void on_readable(uint64_t id, uint32_t events);
    void on_line(uint64_t id, std::string_view line);
    void send(uint64_t client, const nlohmann::json& answer);
    bool write_out(Client& client);  // false: the client is gone
    void drop(uint64_t id);

    EventLoop& loop_;
    Fd listener_;
    OnRequest on_request_;
    std::unordered_map<uint64_t, std::unique_ptr<Client>> clients_;
    uint64_t next_client_ = 1;
};

}  // namespace pmi::control

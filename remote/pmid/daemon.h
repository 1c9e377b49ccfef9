// pmid's event loop: requests in, replies out, guest sessions started and reaped. One thread; nothing in it
// waits for a peer or for a session.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "remote/pmid/options.h"
#include "remote/pmid/page_shelves.h"
#include "remote/pmid/requests.h"
#include "remote/pmid/session.h"
#include "remote/transport/deadline.h"
#include "remote/transport/stream.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

class Daemon {
  public:
    // Listens when it returns.
    static Expected<std::unique_ptr<Daemon>> start(PmidOptions options, std::shared_ptr<const Keyring> ring);
    uint16_t port() const { return server_->port(); }
    // Until SIGTERM, SIGINT or SIGHUP, and until the sessions are gone then.
    Status run();

  private:
    Daemon() = default;
    Status prepare_events();
    void handle_requests();
    void handle_request(const RequestServer::Incoming& incoming);
    Status start_session(const RequestServer::Incoming& incoming, const wire::Request& request);
    void refuse(const RequestServer::Incoming& incoming, const wire::Request& request, const Error& why);
    void admit_waiting();
    Session* spare();
    Expected<Session*> add_session();
    bool wants_spare() const;
    void keep_spare();
    void handle_signals();
    void handle_report(Session& session);
    void finish_report(Session& session, const wire::Reply& reply);
    void reap();
    void expire_reports();
    void begin_end(const char* why);
    int timeout_ms() const;
    NodeUse use_of(const std::string& peer) const;
    // A Host request that came while others were arriving.
    struct Waiting {
        RequestServer::Incoming incoming;
        wire::Request request;
        Deadline deadline;
    };
    void set_up_cgroups();
    void send_reply(const std::string& client, const wire::Reply& reply);

    PmidOptions options_;
    wire::Machine machine_;
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<RequestServer> server_;
    std::optional<GuestCgroups> cgroups_;
    Fd epoll_, signals_;
    std::map<pid_t, Session> sessions_;
    std::optional<PageShelves> shelves_;
    std::deque<Waiting> waiting_;  // as they came
    Deadline spare_due_{0};        // when there should be a spare again
    bool ending_ = false;
    Deadline end_{0};  // when sessions that are still there are killed
};

}  // namespace pmi

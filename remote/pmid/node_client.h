// Asking a pmid, for pmictl and for the home supervisor.
#pragma once
#include <memory>
#include <string>

#include "remote/config/node_address.h"
#include "remote/transport/stream.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"

namespace pmi {

class NodeClient {
  public:
    // Finds out by which of the keys we trust the node proves itself. `ring` is null with Security::Insecure.
    // Errors are one line and name the node. Not thread-safe, as all of a Transport.
    static Expected<std::unique_ptr<NodeClient>> connect(Transport& transport, const Keyring* ring, const NodeAddress& node,
                                                         int timeout_ms = kConnectTimeoutMs);

    Expected<wire::Machine> ping(int timeout_ms = kConnectTimeoutMs);
    // The node's clocks, in ns, as they were at some moment between request and reply.
    struct Clocks {
        int64_t monotonic_ns = 0, boottime_ns = 0;
    };
    Expected<Clocks> clocks(int timeout_ms = kConnectTimeoutMs);
    Expected<wire::Machine> describe(int timeout_ms = kConnectTimeoutMs);
    // The node answers when the guest supervisor is ready, 5 s at most.
    Expected<wire::Place> host(const wire::Host& host, int timeout_ms = 2 * kConnectTimeoutMs);

    // For the stream to the guest supervisor, which proves itself by the same key.
    const std::string& server_key() const { return server_key_; }
    const NodeAddress& address() const { return address_; }

  private:
    NodeClient(std::unique_ptr<RequestClient> client, NodeAddress address, std::string server_key)
        : client_(std::move(client)), address_(std::move(address)), server_key_(std::move(server_key)) {}
    Expected<wire::Reply> call(wire::Request request, int timeout_ms);

    std::unique_ptr<RequestClient> client_;
    NodeAddress address_;
    std::string server_key_;
    uint64_t last_id_ = 0;
};

}  // namespace pmi

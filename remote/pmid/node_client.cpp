#include "remote/pmid/node_client.h"

#include "remote/transport/deadline.h"
#include "remote/wire/machine.h"
#include "remote/wire/printable.h"

namespace pmi {

Expected<std::unique_ptr<NodeClient>> NodeClient::connect(Transport& transport, const Keyring* ring, const NodeAddress& node,
                                                          int timeout_ms) {
    std::vector<std::string> keys{""};
    if (ring != nullptr) keys = candidate_keys(*ring, node);
    Deadline deadline(timeout_ms);
    Error last("");
    for (auto& key : keys) {
        auto client = RequestClient::connect(transport, node.host, node.port, key, deadline.left_ms());
        if (client) return std::unique_ptr<NodeClient>(new NodeClient(std::move(*client), node, key));
        last = std::move(client.error());
        if (last.code() != EKEYREJECTED) break;  // another key wouldn't help
    }
    return std::move(last).within("node " + node.name);
}

Expected<wire::Reply> NodeClient::call(wire::Request request, int timeout_ms) {
    request.set_protocol_version(kProtocolVersion);
    request.set_id(++last_id_);
    auto bytes = client_->request(request.SerializeAsString(), timeout_ms);
    if (!bytes) return std::move(bytes.error()).within("node " + address_.name);
    wire::Reply reply;
    if (!reply.ParseFromString(*bytes)) return fail("node {}: malformed reply", address_.name);
    if (!reply.error().empty()) return fail("node {}: {}", address_.name, printable(reply.error(), 1000));
    if (reply.id() != request.id()) return fail("node {}: reply to another request", address_.name);
    return reply;
}

Expected<wire::Machine> NodeClient::ping(int timeout_ms) {
    wire::Request request;
    request.mutable_ping();
    TRY_ASSIGN(wire::Reply reply, call(std::move(request), timeout_ms));
    if (!reply.has_machine()) return fail("node {}: malformed reply to a ping", address_.name);
    return reply.machine();
}

Expected<NodeClient::Clocks> NodeClient::clocks(int timeout_ms) {
    wire::Request request;
    request.mutable_ping();
    TRY_ASSIGN(wire::Reply reply, call(std::move(request), timeout_ms));
    return Clocks{reply.monotonic_ns(), reply.boottime_ns()};
}

Expected<wire::Machine> NodeClient::describe(int timeout_ms) {
    wire::Request request;
    request.mutable_describe();
    TRY_ASSIGN(wire::Reply reply, call(std::move(request), timeout_ms));
    if (!reply.has_machine()) return fail("node {}: malformed description", address_.name);
    return reply.machine();
}

Expected<wire::Place> NodeClient::host(const wire::Host& host, int timeout_ms) {
    wire::Request request;
    *request.mutable_host() = host;
    TRY_ASSIGN(wire::Reply reply, call(std::move(request), timeout_ms));
    const wire::Place& place = reply.place();
    bool valid = reply.has_place() && place.stream_port() - 1 < 65535 && place.call_port() - 1 < 65535 &&
                 place.key_to_node().size() == 32 && place.key_to_home().size() == 32 && place.token().size() == 16;
    if (!valid) return fail("node {}: malformed place", address_.name);
    return place;
}

}  // namespace pmi

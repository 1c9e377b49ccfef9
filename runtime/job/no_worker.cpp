// Stands in for the worker where its library isn't part of the build: every move is refused.
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "runtime/deputy/worker.h"

namespace pmi {

int run_worker(const WorkerSetup& setup) {
    char packet[65536];
    ssize_t n = 0;
    while ((n = ::recv(setup.channel, packet, sizeof packet, 0)) > 0) {
        auto request = nlohmann::json::parse(packet, packet + n, nullptr, false);
        if (!request.is_object() || !request.contains("id")) continue;
        nlohmann::json reply = {{"id", request["id"]}, {"ok", false}, {"error", "moving is not part of this build"}};
        std::string text = reply.dump();
        (void)!::send(setup.channel, text.data(), text.size(), MSG_NOSIGNAL);
        if (request.value("op", "") != "status") return 0;
    }
    return 0;
}

}  // namespace pmi

#include "remote/transport/zap.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>

#include "runtime/base/log.h"

namespace pmi {

namespace {

// RFC 27: version, request id, domain, address, identity, mechanism, credentials...
enum Part { kVersion, kRequestId, kDomain, kAddress, kIdentity, kMechanism, kCredentials };
constexpr size_t kMaxParts = 16;

std::string as_z85(const zmq::message_t& key) {
    char text[41];
    if (key.size() != 32) return {};
    ::zmq_z85_encode(text, static_cast<const uint8_t*>(key.data()), 32);
    return text;
}

std::vector<zmq::message_t> receive_parts(zmq::socket_t& socket) {
    std::vector<zmq::message_t> parts;
    bool more = true;
    while (more) {
        zmq::message_t part;
        if (!socket.recv(part)) break;
        more = part.more();
        if (parts.size() < kMaxParts) parts.push_back(std::move(part));
    }
    return parts;
}

void reply(zmq::socket_t& socket, const zmq::message_t& id, const char* code, const char* text, const std::string& user) {
    auto part = [&](std::string_view bytes, bool more) {
        socket.send(zmq::buffer(bytes), more ? zmq::send_flags::sndmore : zmq::send_flags::none);
    };
    part("1.0", true);
    part({static_cast<const char*>(id.data()), id.size()}, true);
    part(code, true);
    part(text, true);
    part(user, true);
    part("", false);  // metadata
}

}  // namespace

ZapHandler::ZapHandler(zmq::context_t& context, std::shared_ptr<const Keyring> ring, Security security)
    : ring_(std::move(ring)), security_(security), socket_(context, zmq::socket_type::rep) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.bind("inproc://zeromq.zap.01");
    // The thread must not take signals that the program waits for with signalfd or sigwait.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ZapHandler::~ZapHandler() { thread_.join(); }

ZapHandler::Verdict ZapHandler::judge_mechanism(const std::vector<zmq::message_t>& request) const {
    std::string mechanism = request[kMechanism].to_string();
    if (security_ == Security::Insecure) {
        if (mechanism == "NULL") return {"200", "OK", "insecure"};
        return {"400", "this side runs without keys", ""};
    }
    if (mechanism != "CURVE" || request.size() <= kCredentials) return {"400", "CURVE only", ""};
    std::string key = as_z85(request[kCredentials]);
    if (!ring_->trusts(key)) {
        spdlog::warn("refused {}: key {} is not trusted", request[kAddress].to_string(), key);
        return {"400", "key not trusted", ""};
    }
    return {"200", "OK", key};
}

ZapHandler::Verdict ZapHandler::judge(const std::vector<zmq::message_t>& request) {
    if (request[kVersion].to_string_view() != "1.0") return {"500", "ZAP version", ""};
    return judge_mechanism(request);
}

void ZapHandler::serve_one() {
    auto request = receive_parts(socket_);
    if (request.size() <= kMechanism) {
        zmq::message_t none;
        reply(socket_, request.size() > kRequestId ? request[kRequestId] : none, "400", "malformed", "");
        return;
    }
    Verdict verdict = judge(request);
    reply(socket_, request[kRequestId], verdict.code, verdict.text, verdict.user);
}

void ZapHandler::run() {
    bool ended = false;
    while (!ended) {
        try {
            serve_one();
        } catch (const zmq::error_t& e) {
            // Whatever else fails, the socket stays: without one, libzmq would let everybody in.
            ended = e.num() == ETERM;
            if (!ended) {
                spdlog::error("authentication: {}", e.what());
                std::this_thread::sleep_for(std::chrono::milliseconds(100));
            }
        }
    }
    socket_.close();
}

}  // namespace pmi

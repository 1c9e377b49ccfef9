// Who may connect: the ZeroMQ authentication protocol (RFC 27). libzmq asks over inproc for each client whose
// CURVE handshake got far enough to prove its key; the answer is yes only for a key that the ring trusts at
// that moment.
#pragma once
#include <memory>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "remote/transport/keys.h"
#include "remote/transport/stream.h"

namespace pmi {

class ZapHandler {
  public:
    ZapHandler(zmq::context_t& context, std::shared_ptr<const Keyring> ring, Security security);
    // The context has been shut down.
    ~ZapHandler();
    ZapHandler(const ZapHandler&) = delete;
    ZapHandler& operator=(const ZapHandler&) = delete;

  private:
    void run();
    void serve_one();
    // The status line of the reply, and the user id ("" where there is none).
    struct Verdict {
        const char* code;
        const char* text;
        std::string user;
    };
    Verdict judge(const std::vector<zmq::message_t>& request);
    Verdict judge_mechanism(const std::vector<zmq::message_t>& request) const;

    std::shared_ptr<const Keyring> ring_;
    Security security_;
    zmq::socket_t socket_;
    std::thread thread_;
};

}  // namespace pmi

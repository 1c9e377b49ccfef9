// Both ends of a handshake (call_handshake.h): home connects; the node waits until one of those who connect has proved that it
// is home.
#pragma once
#include "remote/transport/call_handshake.h"
#include "remote/transport/deadline.h"
#include "runtime/base/fd.h"

namespace pmi {

struct Handshaken {
    Fd connection;
    SessionKeys keys;
};
Expected<Handshaken> connect_to_node(const std::string& host, uint16_t port, const ChannelKeys& keys, Security security,
                                     int timeout_ms);
// Error ETIMEDOUT, or ECANCELED when `wake` has become readable (-1: nothing does).
Expected<Handshaken> accept_home(int listener, const ChannelKeys& keys, Security security, const Deadline& deadline, int wake = -1);

}  // namespace pmi

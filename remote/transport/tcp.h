// TCP sockets of our own: set up so that a call isn't delayed and a dead peer or a cut link is noticed.
#pragma once
#include <cstdint>
#include <string>

#include "remote/transport/address.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

// An idle connection is probed after 3 s and then every 2 s; given up when nothing came back for 9 s, whether
// it was idle or had data on the way. The user timeout also bounds how long a peer may leave no room at all.
constexpr int kKeepaliveIdleS = 3;
constexpr int kKeepaliveIntervalS = 2;
constexpr int kKeepaliveCount = 3;
constexpr int kUserTimeoutMs = 9000;

Status set_call_options(int fd);

// A connected (blocking, close-on-exec) socket.
Expected<Fd> connect_tcp(const SocketAddress& address, int timeout_ms);
// The same by name: tries each address.
Expected<Fd> connect_tcp(const std::string& host, uint16_t port, int timeout_ms);

}  // namespace pmi

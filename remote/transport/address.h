// Addresses as people write them, and as sockets want them. Names are resolved here and never by libzmq,
// whose one I/O thread would stand still while DNS is slow.
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

constexpr uint16_t kDefaultPort = 7700;
constexpr int kConnectTimeoutMs = 5000;  // how long anything waits for a machine that doesn't answer

struct HostPort {
    std::string host;  // without the brackets of "[::1]"
    uint16_t port = kDefaultPort;
};

// "HOST", "HOST:PORT", "[V6]", "[V6]:PORT". A bare "::1" is refused: it can't be told from HOST:PORT.
Expected<HostPort> parse_host_port(std::string_view text, uint16_t default_port = kDefaultPort);
// "host:port", with brackets around an IPv6 address.
std::string show_host_port(const std::string& host, uint16_t port);

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    bool v6() const { return storage.ss_family == AF_INET6; }
    std::string endpoint() const;  // "tcp://1.2.3.4:7700", as libzmq takes it
};

// All addresses of `host`, IPv4 first (pmid listens on 0.0.0.0 unless told otherwise). Brackets are allowed.
Expected<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port, int timeout_ms);

}  // namespace pmi

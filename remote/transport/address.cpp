#include "remote/transport/address.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/base/thread.h"

namespace pmi {

namespace {

constexpr size_t kMaxHostName = 253;  // RFC 1035

Expected<uint16_t> parse_port(std::string_view text, std::string_view whole) {
    unsigned value = 0;
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() || value > 65535)
        return fail("address \"{}\": port \"{}\" is not a number from 0 to 65535", whole, text);
    return static_cast<uint16_t>(value);
}

bool plausible_host(std::string_view host) {
    auto allowed = [](unsigned char c) { return std::isalnum(c) || std::strchr(".-_:%", c) != nullptr; };
    return !host.empty() && host.size() <= kMaxHostName && std::all_of(host.begin(), host.end(), allowed);
}

std::string without_brackets(const std::string& host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
    return host;
}

// getaddrinfo(3)'s answer, or its error.
struct Lookup {
    int code = 0;
    std::vector<SocketAddress> addresses;
};

Lookup look_up(const std::string& host, uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* found = nullptr;
    Lookup result;
    result.code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (result.code != 0) return result;
    for (addrinfo* a = found; a != nullptr; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
        SocketAddress& address = result.addresses.emplace_back();
        std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
        address.length = a->ai_addrlen;
    }
    ::freeaddrinfo(found);
    std::stable_partition(result.addresses.begin(), result.addresses.end(), [](auto& a) { return !a.v6(); });
    return result;
}

// getaddrinfo can't be told how long to try: it runs in a thread of its own, which is left behind when the
// time is over and then ends by itself.
struct PendingLookup {
    std::mutex lock;
    std::condition_variable changed;
    bool done = false;
    Lookup result;
};

Expected<Lookup> look_up_within(const std::string& host, uint16_t port, int timeout_ms) {
    auto pending = std::make_shared<PendingLookup>();
    TRY_ASSIGN(std::thread looks, start_thread([pending, host, port] {
                   Lookup result = look_up(host, port, 0);
                   std::lock_guard guard(pending->lock);
                   pending->result = std::move(result);
                   pending->done = true;
                   pending->changed.notify_one();
               }));
    looks.detach();
    std::unique_lock guard(pending->lock);
    auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (!pending->done) {
        if (pending->changed.wait_until(guard, limit) == std::cv_status::timeout && !pending->done)
            return fail_code(ETIMEDOUT, "resolve {}: the name service didn't answer in {} ms", host, timeout_ms);
    }
    return std::move(pending->result);
}

}  // namespace

Expected<HostPort> parse_host_port(std::string_view text, uint16_t default_port) {
    HostPort result;
    result.port = default_port;
    std::string_view host = text, port;
    bool has_port = false;
    if (!text.empty() && text.front() == '[') {
        size_t close = text.find(']');
        if (close == std::string_view::npos) return fail("address \"{}\": \"]\" is missing", text);
        host = text.substr(1, close - 1);
        std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && rest.front() != ':') return fail("address \"{}\": unexpected \"{}\" after \"]\"", text, rest);
        has_port = !rest.empty();
        port = has_port ? rest.substr(1) : rest;
    } else if (size_t colon = text.find(':'); colon != std::string_view::npos) {
        if (text.find(':', colon + 1) != std::string_view::npos)
            return fail("address \"{}\": an IPv6 address needs brackets, such as [::1]:7700", text);
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        has_port = true;
    }
    if (!plausible_host(host)) return fail("address \"{}\": no valid host name or address", text);
    if (has_port) {
        TRY_ASSIGN(result.port, parse_port(port, text));
    }
    result.host = std::string(host);
    return result;
}

std::string show_host_port(const std::string& host, uint16_t port) {
    std::string bare = without_brackets(host);
    if (bare.find(':') != std::string::npos) return fmt::format("[{}]:{}", bare, port);
    return fmt::format("{}:{}", bare, port);
}

std::string SocketAddress::endpoint() const {
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int code = ::getnameinfo(get(), length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    PMI_ASSERT(code == 0);
    return v6() ? fmt::format("tcp://[{}]:{}", host, port) : fmt::format("tcp://{}:{}", host, port);
}

Expected<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port, int timeout_ms) {
    std::string bare = without_brackets(host);
    if (bare == "*") bare = "0.0.0.0";
    Lookup found = look_up(bare, port, AI_NUMERICHOST);
    if (found.code != 0) {
        TRY_ASSIGN(found, look_up_within(bare, port, timeout_ms));
    }
    if (found.code == EAI_SYSTEM) return fail_errno("resolve {}", bare);
    if (found.code != 0) return fail("resolve {}: {}", bare, ::gai_strerror(found.code));
    if (found.addresses.empty()) return fail("resolve {}: no internet address", bare);
    return std::move(found.addresses);
}

}  // namespace pmi

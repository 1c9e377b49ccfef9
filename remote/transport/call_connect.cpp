// How a call channel begins: home connects, the node accepts (call_handshake.h).
#include <poll.h>
#include <sys/socket.h>

#include <list>
#include <vector>

#include "remote/transport/call_accept.h"
#include "remote/transport/call_channel_state.h"
#include "remote/transport/deadline.h"
#include "remote/transport/handshake_io.h"
#include "remote/transport/tcp.h"

namespace pmi {

namespace {

constexpr size_t kMaxPending = 16;  // connections that have not said hello yet

int poll_until(std::vector<pollfd>& items, const Deadline& deadline) {
    int ready = ::poll(items.data(), items.size(), deadline.left_ms());
    return ready < 0 && errno == EINTR ? 0 : ready;
}

}  // namespace

Expected<Handshaken> connect_to_node(const std::string& host, uint16_t port, const ChannelKeys& keys, Security security,
                                     int timeout_ms) {
    Deadline deadline(timeout_ms);
    TRY_ASSIGN(Fd fd, connect_tcp(host, port, timeout_ms));
    TRY(set_call_options(fd.get()));
    Hello hello = make_hello(keys, security);
    TRY(send_now(fd.get(), hello.data(), hello.size()));
    HelloAnswer answer{};
    if (auto read = read_whole(fd.get(), answer.data(), answer.size(), deadline); !read)
        return std::move(read.error()).within("call channel to " + show_host_port(host, port));
    TRY_ASSIGN(SessionKeys session, check_answer(hello, answer, keys, security));
    return Handshaken{std::move(fd), session};
}

Expected<std::unique_ptr<CallChannel>> CallChannel::connect(const std::string& host, uint16_t port, const ChannelKeys& keys,
                                                            Security security, int timeout_ms, int resume_ms) {
    TRY_ASSIGN(auto node, connect_to_node(host, port, keys, security, timeout_ms));
    State::Setup setup{Side::Home, keys, resume_ms, host, port, nullptr};
    auto state = std::make_unique<State>(std::move(node.connection), node.keys, std::move(setup));
    return std::unique_ptr<CallChannel>(new CallChannel(std::move(state)));
}

namespace {

// A connection that has not proved yet that it is home. Others may connect too: a port scanner, somebody
// hostile.
struct Candidate {
    Fd fd;
    Hello hello{};
    size_t have = 0;
};

// Takes a candidate's bytes: its session when it is home, nothing when more has to come, an error when it is
// not.
Expected<std::optional<SessionKeys>> hear(Candidate& candidate, const ChannelKeys& keys, Security security) {
    TRY_ASSIGN(bool whole, read_more(candidate.fd.get(), candidate.hello.data(), candidate.hello.size(), &candidate.have));
    if (!whole) return std::optional<SessionKeys>();
    HelloAnswer answer{};
    TRY_ASSIGN(SessionKeys session, answer_hello(candidate.hello, keys, security, &answer));
    TRY(send_now(candidate.fd.get(), answer.data(), answer.size()));
    return std::optional<SessionKeys>(session);
}

void accept_candidate(int listener, std::list<Candidate>& candidates) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid() || !set_call_options(fd.get())) return;
    if (candidates.size() == kMaxPending) candidates.pop_front();
    candidates.emplace_back().fd = std::move(fd);
}

}  // namespace

Expected<Handshaken> accept_home(int listener, const ChannelKeys& keys, Security security, const Deadline& deadline, int wake) {
    std::list<Candidate> candidates;
    Error last = fail_code(ETIMEDOUT, "home didn't connect in time");
    while (!deadline.over()) {
        std::vector<pollfd> items{{listener, POLLIN, 0}, {wake, POLLIN, 0}};
        for (auto& c : candidates) items.push_back({c.fd.get(), POLLIN, 0});
        if (poll_until(items, deadline) < 0) return fail_errno("poll");
        if (items[1].revents != 0) return fail_code(ECANCELED, "nobody waits for home any more");
        size_t i = 2;
        for (auto c = candidates.begin(); c != candidates.end(); i++) {
            if (items[i].revents == 0) {
                ++c;
                continue;
            }
            auto session = hear(*c, keys, security);
            if (session && session->has_value()) return Handshaken{std::move(c->fd), **session};
            if (!session) last = fail_code(ETIMEDOUT, "no home; {}", session.error().message());
            c = session ? std::next(c) : candidates.erase(c);
        }
        if ((items[0].revents & POLLIN) != 0) accept_candidate(listener, candidates);
    }
    return last;
}

Expected<std::unique_ptr<CallChannel>> CallChannel::accept(int listener, const ChannelKeys& keys, Security security, int timeout_ms,
                                                           int resume_ms) {
    State::Setup setup{Side::Node, keys, resume_ms, "", 0, nullptr};
    if (resume_ms > 0) {
        TRY_ASSIGN(setup.listener, ResumeListener::create(listener));
    }
    auto home = accept_home(listener, keys, security, Deadline(timeout_ms));
    if (!home) return std::move(home.error()).within("call channel");
    auto state = std::make_unique<State>(std::move(home->connection), home->keys, std::move(setup));
    return std::unique_ptr<CallChannel>(new CallChannel(std::move(state)));
}

}  // namespace pmi

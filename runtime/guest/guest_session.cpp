// A session from its Host request to its end.
#include "runtime/guest/guest_session.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "remote/transport/call_channel.h"
#include "remote/transport/frame_sealer.h"
#include "remote/transport/tcp_stream.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/freed_memory.h"
#include "runtime/base/log.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {
namespace {

constexpr int kConnectTimeoutMs = 10000;

Status report(int fd, const wire::Reply& reply) {
    std::string bytes = reply.SerializeAsString();
    auto length = static_cast<uint32_t>(bytes.size());
    TRY(write_all(fd, &length, sizeof length));
    return write_all(fd, bytes.data(), bytes.size());
}

Expected<Fd> block_child_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno("block SIGCHLD");
    int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) return fail_errno("signalfd");
    return Fd(fd);
}

void fill_place(wire::Place& place, const ChannelKeys& keys, uint16_t stream_port, uint16_t call_port) {
    auto text = [](const auto& bytes) { return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()); };
    place.set_stream_port(stream_port);
    place.set_call_port(call_port);
    place.set_key_to_node(text(keys.to_node));
    place.set_key_to_home(text(keys.to_home));
    place.set_token(text(keys.token));
}

// `tell` has home connect.
Expected<PageLines> accept_page_lines(const std::string& address, const ChannelKeys& keys, Security security, int resume_ms,
                                      const std::function<Status(const LaterPorts&)>& tell) {
    PageLines lines;
    LaterPorts ports{};
    TRY_ASSIGN(Fd listener, listen_tcp(address, &ports.demand));
    TRY_ASSIGN(lines.push, listen_stream(address, keys, security, &ports.push));
    TRY(tell(ports));
    TRY_ASSIGN(lines.demand, CallChannel::accept(listener.get(), keys, security, kConnectTimeoutMs, resume_ms));
    return lines;
}

// One that was made ahead may have lost its init since, or there was no room for one then: that is no reason to refuse anybody.
Expected<Jail> furnished(Expected<Jail> jail, const std::vector<std::string>& cgroups, const JailFurniture& furniture) {
    if (jail) {
        auto done = jail->furnish(furniture);
        if (done) return jail;
        spdlog::warn("the jail that was made ahead: {}", done.error().message());
    }
    TRY_ASSIGN(Jail another, Jail::create(cgroups));
    TRY(another.furnish(furniture));
    return another;
}

Expected<GuestSupervisor::Parts> open_session(const GuestSessionSetup& setup, Expected<Jail> made_ahead, Fd kept_pages,
                                              const wire::Request& request) {
    const wire::Host& host = request.host();
    int64_t offset = host.monotonic_offset_ns();
    TRY_ASSIGN(GuestClock clock, GuestClock::create(host.clock()));
    TRY_ASSIGN(Fd children, block_child_signals());
    // Before the stream starts its threads: a process that makes a user namespace must have one thread.
    JailFurniture furniture{offset, host.boottime_offset_ns(), host.home_hostname()};
    TRY_ASSIGN(Jail jail, furnished(std::move(made_ahead), setup.cgroups, furniture));

    Security security = setup.insecure ? Security::Insecure : Security::Curve;
    uint16_t stream_port = 0, call_port = 0;
    ChannelKeys keys = ChannelKeys::random();
    auto make_stream = [keys = stream_keys(keys), address = setup.listen_address, security](uint16_t* port) {
        return listen_stream(address, keys, security, port);
    };
    TRY_ASSIGN(auto stream, make_stream(&stream_port));
    TRY_ASSIGN(Fd listener, listen_tcp(setup.listen_address, &call_port));
    std::optional<PageStore> pages;
    if (kept_pages.valid()) {
        TRY_ASSIGN(PageStore store, PageStore::open(std::move(kept_pages)));
        pages = std::move(store);
    }
    wire::Reply reply;
    reply.set_id(request.id());
    TRY_ASSIGN(PageKey page_key, pages ? Expected<PageKey>(pages->key()) : make_page_key());
    bool keeps_pages = pages && pages->pages() > 0;
    if (keeps_pages || setup.own_files) reply.mutable_place()->set_page_key(page_key.data(), page_key.size());
    reply.mutable_place()->set_keeps_pages(keeps_pages);
    fill_place(*reply.mutable_place(), keys, stream_port, call_port);
    TRY(report(setup.report_fd, reply));
    int resume_ms = static_cast<int>(std::min<uint32_t>(host.reconnect_seconds(), kMaxReconnectSeconds)) * 1000;
    auto page_lines = [keys = page_keys(keys), address = setup.listen_address, security, resume_ms](const auto& tell) {
        return accept_page_lines(address, keys, security, resume_ms, tell);
    };
    TRY_ASSIGN(auto channel, CallChannel::accept(listener.get(), keys, security, kConnectTimeoutMs, resume_ms));
    return GuestSupervisor::Parts{std::move(channel),
                                  std::move(stream),
                                  make_stream,
                                  page_lines,
                                  std::move(jail),
                                  std::move(clock),
                                  std::move(children),
                                  offset,
                                  setup.node_name,
                                  std::move(pages),
                                  setup.own_files ? std::optional<OwnFiles>(page_key) : std::nullopt,
                                  setup.cgroups,
                                  setup.memory_max,
                                  groups_of_tasks(setup.cgroups),
                                  setup.patching};
}

}  // namespace

GuestSession GuestSession::prepare(GuestSessionSetup setup) {
    auto jail = Jail::create(setup.cgroups);
    if (!setup.insecure) warm_up_ciphers();
    return GuestSession(std::move(setup), std::move(jail));
}

Status GuestSession::serve(GuestOrder order) {
    wire::Request request;
    if (!request.ParseFromString(order.request) || !request.has_host()) return fail("a Host request that can't be parsed");
    auto parts = open_session(setup_, std::move(jail_), std::move(order.pages), request);
    if (!parts) {
        wire::Reply reply;
        reply.set_id(request.id());
        reply.set_error(fmt::format("node {}: {}", setup_.node_name, parts.error().message()));
        (void)report(setup_.report_fd, reply);
        return std::move(parts.error());
    }
    keep_freed_memory();
    GuestSupervisor supervisor(std::move(*parts));
    return supervisor.run();
}

int GuestSession::run(GuestOrder order) {
    auto done = serve(std::move(order));
    if (done) {
        spdlog::info("session ended");
        return 0;
    }
    spdlog::warn("session ended: {}", done.error().message());
    return 1;
}

}  // namespace pmi

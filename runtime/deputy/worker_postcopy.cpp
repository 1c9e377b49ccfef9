// Memory that follows when the program already runs on a node (remote/movers/page_server.h). Until the node says that it has all
// of it, home's copy is the only one of some pages: it is not given up, and the program neither comes home nor goes on to
// another node. From then on it is with home's copy as after any move (worker_copy.cpp).
#include <algorithm>
#include <cstring>

#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {
namespace {

constexpr int kPlaceTimeoutMs = 5000;

}  // namespace

// While the program still runs here.
Expected<std::unique_ptr<LaterCopy>> Worker::prepare_later(HomePid pid, NodeSession& session) {
    TRY(session.stream().send(make_stream_message(StreamKind::AskLater, pid.value, {}, {})));
    TRY_ASSIGN(auto message, await_message(session, kPlaceTimeoutMs, "does not say where memory is to follow",
                                           [&] { return check_cancelled(pid); }));
    TRY_ASSIGN(StreamView view, parse_stream_message(message->bytes()));
    if (view.head.kind == StreamKind::Failed) return failure_of(view);
    LaterPorts ports{};
    if (view.head.kind != StreamKind::LaterAt || view.payload.size() != sizeof ports)
        return fail("node {} answers {} to the question where memory is to follow", session.node(),
                    static_cast<uint32_t>(view.head.kind));
    std::memcpy(&ports, view.payload.data(), sizeof ports);
    auto later = std::make_unique<LaterCopy>();
    TRY_ASSIGN(later->lines, session.connect_pages(ports));
    return later;
}

// The node may ask as soon as it knows which pages these are.
Status Worker::send_later(const wire::Image& image, pid_t pid, NodeSession& session, LaterCopy& later) {
    TRY_ASSIGN(later.server, PageServer::start(pid, image.pid(), later.pages, std::move(later.lines)));
    const auto& runs = later.pages.runs();
    for (size_t at = 0; at < runs.size(); at += kMaxRuns) {
        std::vector<MemoryRun> some;
        for (size_t i = at; i < std::min(runs.size(), at + kMaxRuns); i++)
            some.push_back({runs[i].start, runs[i].end - runs[i].start});
        TRY(session.stream().send(make_stream_message(StreamKind::Later, image.pid(), some, {})));
    }
    return {};
}

Status Worker::settle_copies() {
    std::vector<HomePid> pids;
    for (const auto& [pid, p] : processes_)
        if (p->pages && p->all_there) pids.push_back(pid);
    for (HomePid pid : pids)
        if (DeputyProcess* p = process_of(pid)) TRY(settle_copy(*p));
    return {};
}

Status Worker::settle_copy(DeputyProcess& p) {
    auto counts = p.pages->counts();
    spdlog::info("process {}: all of its memory is on node {}; {} of {} pages were asked for", p.pid.value, p.session->node(),
                 counts.demanded, counts.pages);
    p.pages.reset();
    wire::Image layout = p.layout;
    return keep_or_free(p, layout, p.node_tracks);
}

// The node fetches; the program goes on there meanwhile.
Status Worker::wait_until_all_there(HomePid pid) {
    for (;;) {
        DeputyProcess* p = process_of(pid);
        if (p == nullptr) return fail("process {} has ended", pid.value);
        if (!p->pages) return {};
        if (p->all_there) {
            TRY(settle_copy(*p));
            continue;
        }
        auto counts = p->pages->counts();
        constexpr uint64_t kPageBytes = 4096;
        TRY(on_the_way(pid, {0, false, counts.sent * kPageBytes, (counts.pages - counts.sent) * kPageBytes}));
        TRY(one_event(5));
    }
}

}  // namespace pmi

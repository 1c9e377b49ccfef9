// Memory that travels while its program still runs on a node: home asks for rounds (guest_rounds.cpp on the node), until little is
// written during one. On the way home they are installed here while the deputies serve calls: nobody else looks at their
// memory. On the way to another node home passes them on. If a round breaks off, the program stays where it is, and
// nobody vouches any more for what is here: it is dropped before the next return.
#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/memory/image_check.h"
#include "runtime/memory/region_plan.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {
namespace {

constexpr int kRoundTimeoutMs = 60000;

Error has_ended(HomePid pid) { return fail_code(ESRCH, "process {} has ended", pid.value); }

}  // namespace

// `take` gets all that is sent of a round but its end. When it fails, or the move is cancelled, the rest is received all the
// same: the next move finds the stream empty. False: none is made.
Expected<bool> Worker::receive_round(HomePid pid, NodeSession& session, const std::function<Status(const StreamView&)>& take) {
    Status taken;
    auto is_there = [&] { return process_of(pid) == nullptr ? has_ended(pid) : Status(); };
    for (;;) {
        TRY_ASSIGN(auto message, await_message(session, kRoundTimeoutMs, "sends no memory", is_there));
        TRY(is_there());
        if (auto wanted = check_cancelled(pid); !wanted && taken) taken = std::move(wanted);
        TRY_ASSIGN(StreamView view, parse_stream_message(message->bytes()));
        if (view.head.kind == StreamKind::Failed) return failure_of(view);
        if (view.head.pid != pid.value) continue;  // left over of one that has ended
        if (view.head.kind == StreamKind::NoRound || view.head.kind == StreamKind::RoundEnd) {
            TRY(std::move(taken));
            return view.head.kind == StreamKind::RoundEnd;
        }
        if (taken) taken = take(view);
    }
}

Status Worker::ask_for_round(HomePid pid, NodeSession& session, const RoundAsk& ask) {
    return session.stream().send(make_stream_message(StreamKind::Round, pid.value, {}, std::as_bytes(std::span(&ask, 1))));
}

// -- home

Status Worker::bring_early(HomePid pid, EarlyReturn& early) {
    DeputyProcess* p = process_of(pid);
    auto session = p->session;
    bool is_held_up = p->job_stopped || p->fatal.has_value();
    for (const auto& [tid, t] : p->threads) is_held_up |= t.stopped && !t.exiting && t.asked_signal == 0;
    if (is_held_up) return {};  // nobody notices for how long it stands still
    auto done = [&]() -> Status {
        if (!p->keeps_copy) {
            // From now on what is here is what the node has sent.
            TRY(with_own_memory(pid, [&](DeputyProcess& stale) { return drop_stale(stale); }));
            process_of(pid)->keeps_copy = true;
        }
        while (after_round(early.rounds) == AfterRound::OneMore) {
            if (!process_of(pid)->server->without_large_calls(pid, [] { return Status(); })) return {};
            int64_t began = monotonic_ns();
            uint64_t before = early.totals.bytes;
            TRY(ask_for_round(pid, *session, {0, early.rounds.empty() ? 1U : 0U}));
            TRY_ASSIGN(bool made,
                       receive_round(pid, *session, [&](const StreamView& view) { return take_early(pid, view, early); }));
            if (!made) return {};
            early.rounds.push_back({early.totals.bytes - before, monotonic_ns() - began});
            spdlog::debug("process {}: round {} home: {} bytes in {} us", pid.value, early.rounds.size(), early.rounds.back().bytes,
                          early.rounds.back().ns / 1000);
        }
        return {};
    }();
    p = process_of(pid);
    if (done || p == nullptr) return done;
    p->keeps_copy = false;
    TRY(session->send(FrameType::Freed, ProcessHead{pid.value}));
    if (done.error().code() == ECANCELED) return done;
    spdlog::warn("process {}: its memory comes when it stands still: {}", pid.value, done.error().message());
    return {};
}

// The arguments of large calls are in memory that is the deputy's and not the program's: nothing may change around it.
Status Worker::with_own_memory(HomePid pid, const std::function<Status(DeputyProcess& p)>& work) {
    return with_stopped_deputy(pid, [&](pid_t) {
        DeputyProcess& p = *process_of(pid);
        return p.server->without_large_calls(pid, [&] { return work(p); });
    });
}

Status Worker::take_early(HomePid pid, const StreamView& view, EarlyReturn& early) {
    early.totals.bytes += sizeof view.head + view.run_bytes.size() + view.payload.size();
    TRY(on_the_way(pid, {early.rounds.size() + 1, false, early.totals.bytes, 0}));
    if (view.head.kind == StreamKind::Layout) return shape_early(pid, view, early);
    if (view.head.kind == StreamKind::Pages) return install_early(pid, view, early);
    if (view.head.kind == StreamKind::Drop) return drop_early(pid, view, early);
    return fail("a message {} in a round", static_cast<uint32_t>(view.head.kind));
}

// The address space here is made what it is there, as far as home has it: files that home can't keep come when the program stands
// still.
Status Worker::shape_early(HomePid pid, const StreamView& view, EarlyReturn& early) {
    wire::Image image;
    if (!image.ParseFromArray(view.payload.data(), static_cast<int>(view.payload.size())))
        return fail("a layout that can't be parsed");
    TRY(check_image_layout(image));
    if (image.agent_base() != process_of(pid)->region().base()) return fail("a layout with the agent at another place");
    early.image = std::move(image);
    TRY(with_own_memory(pid, [&](DeputyProcess& p) { return shape_skeleton(p, early.image, ShapeFor::Round, nullptr); }));
    DeputyProcess& p = *process_of(pid);
    if (p.layout.regions_size() == 0)
        TRY(describe_regions(p.alive(), {p.region().base(), p.region().base() + kAgentSize}, p.layout));
    early.installable = PageSet(private_mappings(early.image));
    std::vector<PageRun> others;
    for (const auto& s : plan_regions(p.layout, early.image).steps)
        if (s.what == RegionStep::Do::Unmap || s.is_new()) others.push_back({s.range.start, s.range.end});
    early.installable.subtract(PageSet(std::move(others)));
    return {};
}

Status Worker::install_early(HomePid pid, const StreamView& view, EarlyReturn& early) {
    RemoteMemory memory(process_of(pid)->alive());
    auto rest = view.payload;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun run = view.run(i);
        PageSet here({{run.where, run.where + run.size}});
        here.intersect(early.installable);
        for (const auto& part : here.runs())
            TRY(memory.write(part.start, rest.subspan(part.start - run.where, part.end - part.start)));
        early.totals.pages += run.size / kPage;
        rest = rest.subspan(run.size);
    }
    return {};
}

// Outside of what is installable there may be memory of the deputy's own.
Status Worker::drop_early(HomePid pid, const StreamView& view, const EarlyReturn& early) {
    MemoryInstaller installer(process_of(pid)->alive(), early.image, [](uint32_t) { return -1; });
    TRY_ASSIGN(auto dropped, installer.dropped(view));
    PageSet here;
    for (const auto& range : dropped) here.add(range.start, range.end);
    here.intersect(early.installable);
    std::vector<AddressRange> ranges;
    for (const auto& run : here.runs()) ranges.push_back({run.start, run.end});
    return with_stopped_deputy(pid, [&](pid_t) { return drop_here(*process_of(pid), ranges); });
}

// -- another node

Status Worker::hop_early(HomePid pid, NodeSession& from, NodeSession& to, EarlyHop& early) {
    while (after_round(early.rounds) == AfterRound::OneMore) {
        int64_t began = monotonic_ns();
        uint64_t before = early.totals.bytes;
        TRY(ask_for_round(pid, from, {1, early.rounds.empty() ? 1U : 0U}));
        TRY_ASSIGN(bool made,
                   receive_round(pid, from, [&](const StreamView& view) { return pass_on_early(pid, to, view, early); }));
        if (!made && early.totals.bytes == 0) return {};
        if (!made) return fail("node {} can't send the memory while the program runs", from.node());
        TRY(send_when_possible(pid, to, make_stream_message(StreamKind::RoundEnd, pid.value, {}, {})));
        TRY(wait_for_round(pid, to));
        early.rounds.push_back({early.totals.bytes - before, monotonic_ns() - began});
    }
    return {};
}

Status Worker::pass_on_early(HomePid pid, NodeSession& to, const StreamView& view, EarlyHop& early) {
    early.totals.bytes += sizeof view.head + view.run_bytes.size() + view.payload.size();
    TRY(on_the_way(pid, {early.rounds.size() + 1, false, early.totals.bytes, 0}));
    std::vector<MemoryRun> runs;
    for (size_t i = 0; i < view.head.runs; i++) runs.push_back(view.run(i));
    std::string bytes;
    auto payload = view.payload;
    switch (view.head.kind) {
        case StreamKind::Layout: {
            wire::Image image;
            if (!image.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
                return fail("a layout that can't be parsed");
            TRY(check_image_layout(image));
            TRY(describe_home_vdso(process_of(pid)->alive(), image));
            bytes = image.SerializeAsString();
            payload = std::as_bytes(std::span(bytes));
            break;
        }
        case StreamKind::Pages:
        case StreamKind::FileData:
        case StreamKind::Drop: break;
        default: return fail("a message {} in a round", static_cast<uint32_t>(view.head.kind));
    }
    return send_when_possible(pid, to, make_stream_message(view.head.kind, pid.value, runs, payload));
}

Status Worker::send_when_possible(HomePid pid, NodeSession& to, std::span<const std::byte> bytes) {
    int64_t deadline = monotonic_ns() + int64_t{kRoundTimeoutMs} * 1'000'000;
    while (!to.stream().can_send()) {
        if (monotonic_ns() > deadline) return fail_code(ETIMEDOUT, "node {} takes no memory", to.node());
        TRY(one_event(1));
        if (process_of(pid) == nullptr) return has_ended(pid);
        TRY(check_cancelled(pid));
    }
    return to.stream().send(bytes);
}

}  // namespace pmi

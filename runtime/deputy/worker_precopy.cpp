// Memory that travels while the program still runs at home, in rounds: the first sends all there is, each other one what
// was written during the one before. Each is acknowledged before the next, so that what is queued never counts as time for
// which the program stands still. The program is stopped once before, for the time of two injected system calls
// (dirty_tracking.h); between the rounds nobody traces it. It may make threads, fork and change its mappings; when it ends or
// starts another program, the move has failed.
#include <fcntl.h>

#include <array>

#include "remote/wire/kernel_probes.h"
#include "runtime/base/log.h"
#include "runtime/base/phases.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/kernel/memory_info.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/foothold.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {
namespace {

constexpr int kRoundTimeoutMs = 60000;

// What a device writes into memory past the program's page tables is not noticed. Error: ENOTSUP.
Status check_direct_io(pid_t alive) {
    TRY_ASSIGN(auto fds, list_fds(alive));
    for (const auto& fd : fds) {
        auto flags = fd.target.starts_with('/') ? read_fd_flags(alive, fd.fd) : Expected<int>(0);
        if (flags && (*flags & O_DIRECT) != 0) return fail_code(ENOTSUP, "it reads {} past the page cache (O_DIRECT)", fd.target);
    }
    return {};
}

// Where the kernel's code is says whether it is still the program that it was (vdso(7)): no other mapping has to stay.
bool is_same_program(const wire::Image& before, const wire::Image& now) {
    auto kernel_code = [](const wire::Image& image) {
        std::vector<PageRun> places;
        for (const auto& r : image.regions())
            if (r.kind() == wire::Region::VDSO) places.push_back({r.start(), r.end()});
        return places;
    };
    return kernel_code(before) == kernel_code(now);
}

// Contents of others would be sent while it stands still.
bool maps_the_same_files(const wire::Image& before, const wire::Image& now) {
    auto mapped_files = [](const wire::Image& image) {
        std::vector<std::array<uint64_t, 5>> parts;
        for (const auto& r : image.regions()) {
            if (r.kind() != wire::Region::FILE) continue;
            const auto& file = image.files(static_cast<int>(r.file()));
            parts.push_back({file.device(), file.inode(), r.offset(), r.start(), r.end()});
        }
        return parts;
    };
    return mapped_files(before) == mapped_files(now);
}

// What the node has to say when it gives up is more than that it is gone.
Error reason_of(NodeSession& session, Error error) {
    for (int i = 0; i < 8; i++) {
        auto message = session.stream().try_receive();
        if (!message || !*message) break;
        auto view = parse_stream_message((*message)->bytes());
        if (view && view->head.kind == StreamKind::Failed) return failure_of(*view);
    }
    return error;
}

}  // namespace

Expected<MoveMode> Worker::choose_mode_out(HomePid pid, const NodeSession& session, const std::string& asked, MoveFacts* facts) {
    pid_t alive = thread_with_memory(pid.value);
    facts->asked = asked;
    facts->bytes = resident_bytes(alive);
    if (auto can = can_track_.get(); !can) facts->no_precopy = can.error().message();
    if (auto can = check_direct_io(alive); !can) facts->no_precopy = can.error().message();
    if (!session.machine().post_copy())
        facts->no_postcopy = fmt::format("node {} can't handle faults of the kernel (userfaultfd)", session.node());
    return choose_mode(*facts);
}

// Of what is to follow, the files go first: the program does not stand still for them.
Expected<std::unique_ptr<EarlyCopy>> Worker::copy_early(HomePid pid, NodeSession& session, MoveMode mode, const MoveFacts& facts) {
    if (mode == MoveMode::Stop || !facts.no_precopy.empty()) return std::unique_ptr<EarlyCopy>();
    pid_t alive = thread_with_memory(pid.value);
    auto copy = std::make_unique<EarlyCopy>();
    Phases begun;
    TRY_ASSIGN(auto maps, read_maps(alive));
    TRY_ASSIGN(copy->agent_base, choose_agent_base(maps));
    TRY(announce(pid, session, *copy));
    begun.mark("announce");
    TRY_ASSIGN(auto tracking, start_following(pid));
    begun.mark("follow");
    spdlog::debug("process {}: {}", pid.value, begun.text());
    copy->follower = std::make_unique<MemoryFollower>(std::move(tracking));
    PageSet left_out;
    PageSet* later = mode == MoveMode::Postcopy ? &left_out : nullptr;
    while (after_round(copy->rounds, mode) == AfterRound::OneMore) {
        if (!copy->rounds.empty()) {
            wire::Image now;
            // With the flags of the last round: to read them takes longer than a round.
            TRY(describe_regions(alive, {}, now, &copy->layout));
            TRY_ASSIGN(uint64_t written, copy->follower->written_since(now));
            copy->is_nearly_there = is_nearly_nothing(written) && maps_the_same_files(now, copy->layout);
            if (copy->is_nearly_there) break;
        }
        auto sent = send_round(pid, session, *copy, later);
        if (!sent) return reason_of(session, std::move(sent.error()));
    }
    return copy;
}

Expected<std::unique_ptr<DirtyTracking>> Worker::start_following(HomePid pid) {
    TRY_ASSIGN(Frozen frozen, freeze_home(pid));
    auto started = [&]() -> Expected<DirtyTracking> {
        pid_t alive = frozen.alive();
        TRY_ASSIGN(Foothold foothold, find_foothold(alive));
        return DirtyTracking::start(pid.value, alive, foothold.syscall, *this);
    }();
    for (const auto& t : frozen.threads)
        if (!t.ended) TRY(set_options(t.tid, 0));
    TRY(thaw_home(frozen));
    if (!started) return std::move(started.error());
    return std::make_unique<DirtyTracking>(std::move(*started));
}

Expected<wire::Image> Worker::describe_running(HomePid pid, pid_t alive, EarlyCopy& copy) {
    int64_t now = monotonic_ns();
    bool flags_count = now - copy.flags_read_ns < kFlagsCountNs;
    if (!flags_count) copy.flags_read_ns = now;
    wire::Image image;
    image.set_pid(pid.value);
    image.set_agent_base(copy.agent_base);
    TRY(describe_regions(alive, {}, image, flags_count ? &copy.layout : nullptr));
    TRY(describe_home_vdso(alive, image));
    TRY_ASSIGN(ProcStat stat, read_stat(pid.value));
    image.mutable_layout()->set_arg_start(stat.arg_start);
    image.mutable_layout()->set_env_end(stat.env_end);
    return image;
}

// The node makes room for it while it is looked at here: as it is now, nearly.
Status Worker::announce(HomePid pid, NodeSession& session, EarlyCopy& copy) {
    TRY_ASSIGN(copy.layout, describe_running(pid, thread_with_memory(pid.value), copy));
    std::string bytes = copy.layout.SerializeAsString();
    return session.stream().send(make_stream_message(StreamKind::Layout, pid.value, {}, std::as_bytes(std::span(bytes))));
}

Status Worker::send_round(HomePid pid, NodeSession& session, EarlyCopy& copy, PageSet* later) {
    int64_t began = monotonic_ns();
    pid_t alive = thread_with_memory(pid.value);
    TRY(check_direct_io(alive));
    TRY_ASSIGN(wire::Image layout, describe_running(pid, alive, copy));
    // Later ones are told by what follows its memory.
    if (copy.rounds.empty() && !is_same_program(copy.layout, layout)) return fail_code(ESRCH, "it has begun another program");
    copy.layout = layout;
    // From before they are read; the numbers are for the image that counts.
    wire::Image watched = layout;
    if (copy.files.changed(pid)) copy.follower->files_changed();
    TRY(copy.files.watch_image(pid, HomePid(alive), watched));
    SendOrder order;
    order.pid = alive;
    order.image = &layout;
    order.file_contents = true;
    order.file_page = reader_of_files(HomePid(alive), layout);
    if (copy.rounds.empty()) order.finder = session.finder();  // what is written later is nowhere else
    order.later = later;
    order.between = [&](const MoveTotals&, uint64_t) { return check_cancelled(pid); };
    TRY(copy.follower->begin_round(order, session.stream()));
    auto step_of = [&] {
        return MoveStep{copy.rounds.size() + 1, false, copy.totals.bytes + copy.follower->round_totals().bytes,
                        copy.follower->left()};
    };
    int64_t deadline = monotonic_ns() + int64_t{kRoundTimeoutMs} * 1'000'000;
    for (;;) {
        TRY(on_the_way(pid, step_of()));
        if (!session.stream().can_send()) {
            if (monotonic_ns() > deadline) return fail_code(ETIMEDOUT, "node {} takes no memory", session.node());
            TRY(one_event(1));
            continue;
        }
        TRY(one_event(0));
        TRY_ASSIGN(bool more, copy.follower->step());
        if (!more) break;
        deadline = monotonic_ns() + int64_t{kRoundTimeoutMs} * 1'000'000;
    }
    TRY(wait_for_round(pid, session));
    const MoveTotals& totals = copy.follower->round_totals();
    copy.totals += totals;
    copy.rounds.push_back({totals.bytes, monotonic_ns() - began});
    spdlog::debug("process {}: round {}: {} bytes in {} us", pid.value, copy.rounds.size(), totals.bytes,
                  copy.rounds.back().ns / 1000);
    return {};
}

// All of it at once, while the program runs: page by page it would stand still for longer.
Status Worker::take_back(HomePid pid, NodeSession& session, EarlyCopy& copy) {
    spdlog::info("process {} writes to more memory than travels: all of it follows", pid.value);
    TRY_ASSIGN(wire::Image layout, describe_running(pid, thread_with_memory(pid.value), copy));
    copy.layout = layout;
    SendOrder order;
    order.image = &layout;
    TRY(copy.follower->take_back(order, session.stream()));
    return wait_for_round(pid, session);
}

Status Worker::wait_for_round(HomePid pid, NodeSession& session) {
    TRY_ASSIGN(auto message, await_message(session, kRoundTimeoutMs, "does not say that it has the memory",
                                           [&] { return check_cancelled(pid); }));
    TRY_ASSIGN(StreamView view, parse_stream_message(message->bytes()));
    if (view.head.kind == StreamKind::RoundAck) return {};
    if (view.head.kind == StreamKind::Failed) return failure_of(view);
    return fail("node {} answers {} to a round", session.node(), static_cast<uint32_t>(view.head.kind));
}

}  // namespace pmi

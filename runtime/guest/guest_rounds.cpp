// A program's memory leaves while it still runs here, in rounds that home asks for: Round -> Layout, memory, Drop, RoundEnd. All
// other work of the supervisor goes on in between: a forwarded call waits for one message at most.
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/memory_info.h"
#include "runtime/memory/regions.h"

namespace pmi {
namespace {

// What has less resident than this stands still for less time than rounds would take.
constexpr uint64_t kWorthRounds = 6u << 20;  // bytes

}  // namespace

GuestProcess* GuestSupervisor::process_in_round() {
    for (auto& [pid, p] : processes_)
        if (p->departure && p->departure->is_busy()) return p.get();
    return nullptr;
}

MemoryFollower& GuestSupervisor::round_follower(GuestProcess& p) {
    return p.departure->to_node ? *p.departure->to_node : *p.follower;
}

Status GuestSupervisor::refuse_round(HomePid pid) {
    return send_on_stream(make_stream_message(StreamKind::NoRound, pid.value, {}, {}));
}

Status GuestSupervisor::begin_round(const StreamView& ask) {
    HomePid pid(ask.head.pid);
    RoundAsk wanted{};
    if (ask.payload.size() != sizeof wanted) return fail("a request for a round of {} bytes", ask.payload.size());
    std::memcpy(&wanted, ask.payload.data(), sizeof wanted);
    GuestProcess* p = process_of(pid);
    if (p != nullptr && wanted.first != 0) p->departure.reset(), p->layout.Clear();
    bool can = p != nullptr && p->follower && !lacks_pages(*p) && !p->frozen && !p->freezing && !p->shares_memory && !arrival_ &&
               process_in_round() == nullptr;
    // What has become small since is sent all the same: who has begun with rounds goes on with them.
    bool is_worth_it = can && (wanted.first == 0 || resident_bytes(p->alive()) >= kWorthRounds);
    if (!is_worth_it) return refuse_round(pid);
    if (!p->departure) p->departure = std::make_unique<Departure>();
    Departure& d = *p->departure;
    d.for_node = wanted.for_node != 0;
    if (d.for_node && !d.to_node) {
        // Each hears what the other has taken from the kernel's account.
        d.to_node = std::make_unique<MemoryFollower>(p->follower->tracking());
        d.to_node->nothing_is_held();
        d.to_node->on_taken = [main = p->follower.get()](const PageSet& pages) { main->taken_elsewhere(pages); };
    }
    AddressRange agent{p->image.agent_base(), p->image.agent_base() + kAgentSize};
    // The kernel looks at each page to tell the flags.
    int64_t now = monotonic_ns();
    bool flags_count = now - d.flags_read_ns < kFlagsCountNs;
    if (!flags_count) d.flags_read_ns = now;
    auto before = std::make_shared<const wire::Image>(flags_count ? p->layout : wire::Image());
    d.looking = run_aside([alive = p->alive(), agent, before]() -> Expected<wire::Image> {
        wire::Image layout;
        TRY(describe_regions(alive, agent, layout, before->regions_size() > 0 ? before.get() : nullptr));
        return layout;
    });
    return {};
}

Status GuestSupervisor::start_sending(GuestProcess& p, wire::Image layout) {
    Departure& d = *p.departure;
    p.layout = layout;
    d.image = std::move(layout);
    d.image.set_pid(p.pid.value);
    d.image.set_agent_base(p.image.agent_base());
    d.image.mutable_layout()->set_arg_start(p.image.layout().arg_start());
    d.image.mutable_layout()->set_env_end(p.image.layout().env_end());
    // The heap has to grow by brk(2) at home too.
    for (const auto& r : d.image.regions())
        if (r.name() == "[heap]") d.image.mutable_layout()->set_brk(r.end());
    set_kernel_code(d.image, p.image);
    TRY(twins_.translate(d.image));
    d.order = SendOrder();
    d.order.pid = p.alive();
    d.order.image = &d.image;
    d.order.file_contents = d.for_node;
    d.order.file_page = twins_.reader_of(d.image);
    TRY(round_follower(p).begin_round(d.order, *parts_.stream));
    d.is_sending = true;
    return {};
}

// The stream is lost, or home has thought better of it.
void GuestSupervisor::break_rounds() {
    for (auto& [pid, p] : processes_) {
        if (!p->departure) continue;
        if (std::exchange(p->departure->is_sending, false)) round_follower(*p).break_round();
        p->departure->looking = {};
    }
}

// About one message. What fails here (the program changes its mappings under our hands, the stream is lost) ends the round, not the
// program.
Status GuestSupervisor::send_some() {
    GuestProcess* p = process_in_round();
    if (p == nullptr) return {};
    HomePid pid = p->pid;
    Departure& d = *p->departure;
    if (!parts_.stream || p->freezing) {
        break_rounds();
        return {};
    }
    auto some = [&]() -> Status {
        if (d.looking.valid()) {
            if (d.looking.wait_for(std::chrono::seconds(0)) == std::future_status::timeout) return {};
            TRY_ASSIGN(wire::Image layout, d.looking.get());
            return start_sending(*p, std::move(layout));
        }
        if (!parts_.stream->can_send()) return {};
        TRY_ASSIGN(d.is_sending, round_follower(*p).step());
        return {};
    }();
    if (some) return {};
    spdlog::info("process {}: its memory can't be sent while it runs: {}", pid.value, some.error().message());
    if (d.is_sending) round_follower(*p).break_round();
    p->departure.reset();
    return refuse_round(pid);
}

}  // namespace pmi

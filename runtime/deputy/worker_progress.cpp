// What can be said and done about a move that is under way: how far it has got, and that it is not wanted any more. A move
// can be cancelled as long as nothing has been done that can't be undone: until Go on the way out, until the deputy gets
// its threads' state on the way home.
#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {

using nlohmann::json;

namespace {

constexpr int64_t kTellEveryNs = 50'000'000;

}  // namespace

void Worker::begin_clocks() {
    began_ns_ = stands_since_ns_ = monotonic_ns();
    longest_stall_ns_ = tell_at_ns_ = 0;
}

json Worker::summary(HomePid pid, const std::string& where, const MoveTotals& totals, const StreamCounts& packed) const {
    int64_t now = monotonic_ns(), stands = now - stands_since_ns_;
    uint64_t saved = packed.compressed_from - packed.compressed_to;
    return {{"pid", pid.value},
            {"where", where},
            {"frozen_us", stands / 1000},
            {"stall_us", std::max(longest_stall_ns_, stands) / 1000},
            {"total_us", (now - began_ns_) / 1000},
            {"bytes", totals.bytes - std::min(totals.bytes, saved)},
            {"pages", totals.pages},
            {"zero_pages", totals.zero_pages},
            {"found_pages", totals.found_pages},
            {"compressed_from", packed.compressed_from},
            {"compressed_to", packed.compressed_to}};
}

Status Worker::on_the_way(HomePid pid, const MoveStep& step) {
    TRY(check_cancelled(pid));
    int64_t now = monotonic_ns();
    if (now < tell_at_ns_) return {};
    tell_at_ns_ = now + kTellEveryNs;
    send({{"event", "progress"},
          {"pid", pid.value},
          {"round", step.round},
          {"standing", step.standing},
          {"bytes", step.bytes},
          {"left", step.left}});
    return {};
}

// A wish to cancel can't wait for the end of what it is about; all else can.
Status Worker::check_cancelled(HomePid pid) {
    if (supervisor_gone_) return {};
    for (auto& request : receive_requests()) requests_.push_back(std::move(request));
    std::vector<json> urgent;
    std::erase_if(requests_, [&](json& request) {
        std::string op = request.value("op", "");
        bool is_urgent = op == "cancel" || op == "status" || op == "released";
        if (is_urgent) urgent.push_back(std::move(request));
        return is_urgent;
    });
    cancellable_ = pid;
    for (const auto& request : urgent) handle_request(request);
    cancellable_ = HomePid();
    bool is_cancelled = std::exchange(cancelled_, HomePid()) == pid;
    return is_cancelled ? fail_code(ECANCELED, "the move was cancelled") : Status();
}

Expected<json> Worker::cancel_move(HomePid pid) {
    if (cancellable_ != pid) return fail("its move can't be cancelled any more");
    cancelled_ = pid;
    return json{{"pid", pid.value}};
}

// A message of a move's, however long it takes; a wish to cancel ends the wait.
Expected<std::unique_ptr<Message>> Worker::receive_for(HomePid pid, NodeSession& session, int timeout_ms, const MoveStep& step) {
    TRY(on_the_way(pid, step));
    return receive_while(session.stream(), timeout_ms, [&] { return on_the_way(pid, step); });
}

}  // namespace pmi

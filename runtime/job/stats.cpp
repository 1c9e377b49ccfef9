// Job: what the calls of processes away have cost.
#include <array>

#include "interpose/syscall/row.h"
#include "runtime/base/log.h"
#include "runtime/control/call_table.h"
#include "runtime/job/job.h"

namespace pmi::job {

using nlohmann::json;

namespace {

constexpr std::chrono::milliseconds kWorkerAnswersWithin(600);

// As in the worker's event; an Error for what makes no sense.
Expected<CallTally> tally_of(const json& list) {
    std::array<uint64_t, 9> n{};
    if (!list.is_array() || list.size() != n.size()) return fail("no tally");
    for (size_t i = 0; i < n.size(); i++) {
        if (!list[i].is_number_unsigned()) return fail("no tally");
        n[i] = list[i].get<uint64_t>();
    }
    if (n[0] > INT16_MAX || n[1] > 1) return fail("no tally");
    return CallTally{static_cast<int16_t>(n[0]), static_cast<uint16_t>(n[1]), 0, n[2], n[3], n[4], n[5], n[6], n[7], n[8]};
}

double us(uint64_t ns) { return static_cast<double>(ns) / 1000; }

json row_of(const CallTally& t) {
    const Row* row = find_row(t.nr);
    double mean = t.count == 0 ? 0 : us(t.total_ns) / static_cast<double>(t.count);
    return {{"name", row != nullptr ? std::string(row->name) : std::to_string(t.nr)},
            {"route", row != nullptr ? std::string(route_name(row->route)) : "?"},
            {"served", t.at_home != 0 ? "home" : "node"},
            {"count", t.count},
            {"failed", t.failed},
            {"total_us", us(t.total_ns)},
            {"mean_us", mean},
            {"slowest_us", us(t.slowest_ns)},
            {"travel_us", us(t.travel_ns)},
            {"bytes_to_home", t.bytes_to_home},
            {"bytes_from_home", t.bytes_from_home}};
}

json rows_of(const CallTallies& tallies) {
    json rows = json::array();
    for (const CallTally& t : tallies.all()) rows.push_back(row_of(t));
    return rows;
}

}  // namespace

void Job::take_tallies(pid_t pid, const json& event) {
    auto list = event.find("tallies");
    if (list == event.end() || !list->is_array()) return;
    JobProcess* process = processes_.known(pid);
    for (const json& entry : *list) {
        auto tally = tally_of(entry);
        if (!tally) {
            spdlog::error("a worker counts calls of {} in a way that makes no sense", pid);
            continue;
        }
        tallies_.add(*tally);
        if (process != nullptr) process->tallies.add(*tally);
    }
}

json Job::stats_of(const JobProcess& process) const {
    return {{"ok", true},
            {"pid", process.pid},
            {"where", process.where},
            {"moves", process.moves},
            {"returns", process.returns_before + process.returns_now},
            {"calls", rows_of(process.tallies)}};
}

void Job::on_stats(const control::RequestId& id, JobProcess& process, const json&) {
    if (process.worker == nullptr) return server_.reply(id, stats_of(process));
    // A worker that is busy must not hold it up.
    auto answered = std::make_shared<bool>(false);
    auto answer = [this, id, pid = process.pid, answered] {
        if (std::exchange(*answered, true)) return;
        if (JobProcess* asked = processes_.known(pid)) return server_.reply(id, stats_of(*asked));
        server_.refuse(id, fmt::format("process {} has ended", pid));
    };
    loop_.after(kWorkerAnswersWithin, answer);
    process.worker->request({{"op", "tallies"}, {"pid", process.pid}}, [answer](const json&) { answer(); });
}

std::string Job::summary() const {
    if (stays_ == 0 && tallies_.empty()) return fmt::format("pmi: {}: no process of it was away\n", options_.name);
    return fmt::format("pmi: {}: calls of its processes while they were away, stays: {}\n", options_.name, stays_) +
           control::call_table({{"calls", rows_of(tallies_)}});
}

}  // namespace pmi::job

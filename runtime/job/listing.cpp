// Job: what pmictl ps shows.
#include "runtime/control/members.h"
#include "runtime/control/protocol.h"
#include "runtime/job/job.h"
#include "runtime/kernel/procfs.h"

namespace pmi::job {

using nlohmann::json;

namespace {

constexpr std::chrono::milliseconds kWorkersAnswerWithin(400);

std::string state_word(const JobProcess& process, char state) {
    if (!process.lost.empty()) return "lost";
    if (process.moving()) return "moving";
    if (!process.at_home()) return process.cut_off ? "cut off" : "away";
    switch (state) {
        case 'R': return "running";
        case 'S':
        case 'I': return "sleeping";
        case 'D': return "waiting";
        case 'T': return "stopped";
        case 't': return "traced";
        case 'Z': return "ended";
        default: return "unknown";
    }
}

}  // namespace

MovableContext Job::movable_context() const {
    MovableContext context;
    for (const auto& worker : workers_) context.own_tracers.push_back(worker->pid());
    if (trap_)
        for (pid_t tracer : trap_->tracers()) context.own_tracers.push_back(tracer);
    context.own_filters = options_.io_uring_denied ? 1 : 0;
    return context;
}

json Job::row(const JobProcess& process, const MovableContext& context) const {
    auto stat = read_stat(process.pid);
    auto status = read_status(process.pid);
    json row = {{"pid", process.pid},
                {"job", options_.name},
                {"where", process.where},
                {"state", state_word(process, stat ? stat->state : '?')},
                {"memory_kib", process.at_home() ? (status ? status->vm_rss_kib : 0) : process.away_memory_kib},
                {"threads", status ? status->threads : 0},
                {"moves", process.moves},
                {"calls", process.calls_before + process.calls_now},
                {"sites_patched", process.at_home() ? 0 : process.sites_patched},
                {"sites_refused", process.at_home() ? 0 : process.sites_refused},
                {"returns", process.returns_before + process.returns_now},
                {"command", process.at_home() ? command_line(process.pid) : process.command}};
    if (process.moving()) row["moving_to"] = process.moving_to;
    if (!process.return_reason.empty()) row["return_reason"] = process.return_reason;
    if (!process.last_error.empty()) row["last_error"] = process.last_error;
    if (!process.lost.empty()) row["lost"] = process.lost;
    if (!process.at_home() && process.post_copy.is_object()) row["post_copy"] = process.post_copy;
    if (process.at_home() && !process.moving()) {
        if (!process.held_image.empty() && process.held_image == image_identity(process.pid))
            row["cantmove"] = "the program holds itself here (pmi_hold)";
        else if (auto reason = cantmove_reason(process.pid, context))
            row["cantmove"] = *reason;
    }
    return row;
}

json Job::list() const {
    json rows = lost_;
    MovableContext context = movable_context();
    auto pids = list_processes();
    if (pids) context.all = std::make_shared<ProcessStats>(read_stats(*pids));
    for (JobProcess* process : const_cast<Processes&>(processes_).all()) {
        if (!process->lost.empty()) continue;
        // What has ended between the search and now is no process of the job any more.
        json one = row(*process, context);
        if (one["state"] != "ended" && one["state"] != "unknown") rows.push_back(std::move(one));
    }
    json job = {{"name", options_.name}, {"program", options_.program}, {"control", options_.socket}, {"node", options_.node}};
    return {{"ok", true}, {"job", job}, {"processes", rows.is_array() ? rows : json::array()}};
}

void Job::on_ps(const control::RequestId& id) {
    processes_.refresh();
    // All workers are asked for their counters; one that is busy must not hold the list up.
    struct Round {
        size_t open = 0;
        bool answered = false;
    };
    auto round = std::make_shared<Round>();
    auto answer = [this, id, round] {
        if (std::exchange(round->answered, true)) return;
        server_.reply(id, list());
    };
    round->open = workers_.size();
    if (round->open == 0) return answer();
    loop_.after(kWorkersAnswerWithin, answer);
    for (auto& worker : workers_)
        worker->request({{"op", "status"}}, [this, round, answer](const json& reply) {
            take_counters(reply);
            if (--round->open == 0) answer();
        });
}

}  // namespace pmi::job

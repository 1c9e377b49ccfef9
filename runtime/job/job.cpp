#include "runtime/job/job.h"

#include "runtime/base/log.h"
#include "runtime/control/members.h"
#include "runtime/control/protocol.h"

namespace pmi::job {

using control::RequestId;
using nlohmann::json;

Job::Job(control::EventLoop& loop, SupervisorOptions options)
    : loop_(loop),
      options_(std::move(options)),
      processes_(loop, options_.program, options_.socket, [this](JobProcess& p) { on_process_ended(p); }),
      server_(loop, Fd(options_.listener), [this](RequestId id, const json& r) { on_request(std::move(id), r); }) {}

Job::~Job() = default;

Status Job::start() {
    processes_.add_program(Fd(options_.pidfd));
    TRY(server_.start());
    for (int fd : options_.clients) server_.adopt(Fd(fd));
    processes_.refresh();
    if (options_.trap_signals) {
        auto on_signal = [this](pid_t pid, const std::string& want) {
            if (auto process = processes_.find(pid)) steer(**process, want);
        };
        auto is_elsewhere = [this](pid_t pid) {
            const JobProcess* process = processes_.known(pid);
            return process != nullptr && process->worker != nullptr;
        };
        TRY_ASSIGN(trap_, SignalTrap::start(loop_, on_signal, is_elsewhere));
        trap_->attach(options_.program);
    }
    if (options_.away)
        if (JobProcess* program = processes_.known(options_.program)) steer(*program, "away");
    end_if_over();
    return {};
}

void Job::listen_at(Fd socket) {
    if (auto done = server_.listen_at(std::move(socket)); !done) spdlog::error("{}", done.error().message());
}

Job::Done Job::answer_to(const RequestId& id) {
    return [this, id](const json& reply) { server_.reply(id, reply); };
}

void Job::on_request(RequestId id, const json& request) {
    auto op = control::string_member(request, "op").value_or("");
    if (op == "ps") return on_ps(id);
    using Operation = void (Job::*)(const RequestId&, JobProcess&, const json&);
    static const std::map<std::string, Operation> operations = {
        {"migrate", &Job::on_migrate}, {"home", &Job::on_home},         {"where", &Job::on_where},
        {"cancel", &Job::on_cancel},   {"steer", &Job::on_steer},       {"hold", &Job::on_hold},
        {"notify", &Job::on_notify},   {"progress", &Job::on_progress}, {"stats", &Job::on_stats}};
    auto operation = operations.find(op);
    if (operation == operations.end()) return server_.refuse(id, fmt::format("unknown operation \"{}\"", op.substr(0, 40)));
    auto pid = control::pid_member(request, "pid");
    if (!pid) return server_.refuse(id, "a request needs a \"pid\", a positive number");
    auto process = processes_.find(*pid);
    if (!process) return server_.refuse(id, process.error().message());
    (this->*operation->second)(id, **process, request);
}

void Job::on_migrate(const RequestId& id, JobProcess& process, const json& request) {
    auto node = control::string_member(request, "node");
    std::string mode = control::string_member(request, "mode").value_or("auto");
    if (!node || node->empty()) return server_.refuse(id, "migrate needs a \"node\"");
    if (mode != "auto" && mode != "stop" && mode != "precopy" && mode != "postcopy")
        return server_.refuse(id, fmt::format("mode \"{}\": not one of auto, stop, precopy, postcopy", mode.substr(0, 40)));
    go_away(process, *node, mode, answer_to(id));
}

void Job::on_home(const RequestId& id, JobProcess& process, const json&) { come_home(process, answer_to(id)); }

void Job::on_where(const RequestId& id, JobProcess& process, const json&) {
    json reply = {{"ok", true}, {"pid", process.pid}, {"where", process.where}, {"moving", process.moving()}};
    if (process.moving()) reply["moving_to"] = process.moving_to;
    if (!process.last_error.empty()) reply["last_error"] = process.last_error;
    server_.reply(id, reply);
}

void Job::on_progress(const RequestId& id, JobProcess& process, const json&) {
    json reply = {{"ok", true}, {"pid", process.pid}, {"moving", process.moving()}};
    if (process.moving() && process.progress.is_object()) reply["progress"] = process.progress;
    server_.reply(id, reply);
}

void Job::on_cancel(const RequestId& id, JobProcess& process, const json&) {
    if (!process.moving()) return server_.refuse(id, "no move under way");
    if (process.worker == nullptr) {
        process.cancelled = true;  // begin_move() sees it
        return server_.reply(id, {{"ok", true}, {"pid", process.pid}});
    }
    process.worker->request({{"op", "cancel"}, {"pid", process.pid}}, answer_to(id));
}

void Job::on_steer(const RequestId& id, JobProcess& process, const json& request) {
    auto want = control::string_member(request, "want").value_or("");
    if (want != "away" && want != "home") return server_.refuse(id, "steer wants \"away\" or \"home\"");
    server_.reply(id, {{"ok", true}});
    steer(process, want);
}

void Job::on_hold(const RequestId& id, JobProcess& process, const json& request) {
    bool hold = control::bool_member(request, "hold");
    if (hold && process.moving()) return server_.refuse(id, "a move is already under way");
    process.held_image = hold ? image_identity(process.pid) : "";
    server_.reply(id, {{"ok", true}});
}

void Job::on_notify(const RequestId& id, JobProcess& process, const json& request) {
    constexpr int64_t kLastSignal = 64;
    auto signal = control::integer_member(request, "signal");
    if (!signal || *signal < 0 || *signal > kLastSignal) return server_.refuse(id, "notify wants a signal, from 0 to 64");
    process.notify_signal = static_cast<int>(*signal);
    process.notify_image = image_identity(process.pid);
    server_.reply(id, {{"ok", true}});
}

void Job::on_process_ended(JobProcess& process) {
    spdlog::info("process {} has ended, {}", process.pid, process.where);
    // While away or frozen it ends in order if its worker says so, before or after the kernel does. If the worker
    // doesn't, but dies itself, then the kernel has killed the process for it.
    WorkerLink* worker = process.worker;
    if (worker != nullptr && (!process.at_home() || process.moving())) {
        worker->read_packets();
        if (ended_in_order_.erase(process.pid) == 0) unexplained_.push_back(std::move(process));
    }
    // Not from within whoever noticed it: what is left is looked for when this turn is over.
    loop_.after(std::chrono::milliseconds(0), [this] { end_if_over(); });
}

void Job::end_if_over() {
    if (!processes_.empty()) return;
    processes_.refresh();
    if (processes_.empty()) processes_.refresh();  // forked during the first pass, with a number already passed
    if (!processes_.empty()) return;
    if (workers_.empty()) return loop_.stop();
    // Its worker may still have to answer whoever asked for a move; it ends by itself. Not waited for too
    // long.
    loop_.after(std::chrono::seconds(2), [this] {
        if (processes_.empty()) loop_.stop();
    });
}

}  // namespace pmi::job

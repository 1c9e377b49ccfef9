// Job: sending processes away and bringing them home.
#include <signal.h>
#include <string.h>

#include <algorithm>

#include "runtime/base/log.h"
#include "runtime/control/members.h"
#include "runtime/control/protocol.h"
#include "runtime/job/job.h"
#include "runtime/job/stderr_note.h"
#include "runtime/job/supervisor_log.h"
#include "runtime/kernel/procfs.h"

namespace pmi::job {

using control::integer_member;
using control::kHome;
using control::string_member;
using nlohmann::json;

namespace {

json refused(const std::string& why) { return {{"ok", false}, {"error", why}}; }

std::string address_of(const Destination& d) { return fmt::format("{}:{}", d.host, d.port); }

constexpr const char* kAlreadyMoving = "a move is already under way";
constexpr const char* kHeld = "cantmove: the program holds itself here (pmi_hold)";

bool is_held(const JobProcess& process) { return !process.held_image.empty() && process.held_image == image_identity(process.pid); }

}  // namespace

std::optional<std::string> Job::refusal(JobProcess& process, const Destination& to) {
    if (process.moving()) return kAlreadyMoving;
    if (process.where == to.name || process.address == address_of(to))
        return fmt::format("process {} already runs on {}", process.pid, to.name);
    if (is_held(process)) return kHeld;
    if (!process.at_home()) return std::nullopt;
    auto reason = cantmove_reason(process.pid, movable_context());
    return reason ? std::optional("cantmove: " + *reason) : std::nullopt;
}

void Job::begin_moving(JobProcess& process, const std::string& to) {
    process.moving_to = to;
    process.last_error.clear();
    process.cancelled = false;
    process.progress = nullptr;
}

void Job::go_away(JobProcess& process, const std::string& node, const std::string& mode, Done done) {
    auto to = resolve_destination(node);
    if (!to) return done(refused(to.error().message()));
    if (auto why = refusal(process, *to)) return done(refused(*why));
    pid_t pid = process.pid;
    begin_moving(process, to->name);
    if (process.at_home()) {
        process.stderr_target = stderr_target(pid);
        process.command = command_line(pid);
    }
    begin_move(pid, *to, mode, done);
}

void Job::begin_move(pid_t pid, const Destination& to, const std::string& mode, const Done& done) {
    JobProcess* process = processes_.known(pid);
    if (process == nullptr) return done(refused(fmt::format("process {} has ended", pid)));
    if (process->cancelled) return end_move(pid, refused("the move was cancelled"), done);
    bool reused = process->worker != nullptr;
    if (!reused) {
        auto worker = start_worker();
        if (!worker) return end_move(pid, refused(worker.error().message()), done);
        process->worker = *worker;
    }
    json request = {{"op", "migrate"}, {"pid", pid}, {"node", to.name}, {"host", to.host}, {"port", to.port}, {"mode", mode}};
    if (!to.key.empty()) request["key"] = to.key;
    if (!process->cpu_away.is_null()) request["cpu"] = process->cpu_away;
    process->worker->request(std::move(request), [this, pid, to, mode, done, reused](const json& reply) {
        JobProcess* moved = processes_.known(pid);
        // It came home by itself before the request got through: then it leaves from there.
        bool came_home =
            reused && moved != nullptr && moved->at_home() && moved->worker == nullptr && !control::bool_member(reply, "ok");
        if (came_home) return begin_move(pid, to, mode, done);
        end_move(pid, reply, done);
        moved = processes_.known(pid);
        if (moved != nullptr && control::bool_member(reply, "ok") && !moved->at_home()) moved->address = address_of(to);
    });
}

void Job::come_home(JobProcess& process, Done done) {
    if (process.moving()) return done(refused(kAlreadyMoving));
    pid_t pid = process.pid;
    if (process.at_home() || process.worker == nullptr)
        return done({{"ok", true}, {"pid", pid}, {"where", kHome}, {"already", true}});
    if (is_held(process)) return done(refused(kHeld));
    begin_moving(process, kHome);
    // The worker forgets a process that is home: its counters are asked for before.
    process.worker->request({{"op", "status"}}, [this](const json& reply) { take_counters(reply); });
    process.worker->request({{"op", "home"}, {"pid", pid}}, [this, pid, done](const json& reply) {
        const JobProcess* asked = processes_.known(pid);
        bool came_by_itself = !control::bool_member(reply, "ok") && asked != nullptr && asked->at_home();
        json already = {
            {"ok", true}, {"where", kHome}, {"already", true}, {"unfinished", control::bool_member(reply, "unfinished")}};
        end_move(pid, came_by_itself ? already : reply, done);
    });
}

void Job::end_move(pid_t pid, const json& reply, const Done& done) {
    bool ok = control::bool_member(reply, "ok");
    JobProcess* process = processes_.known(pid);
    if (process != nullptr) {
        take_cpu_time(*process, reply);
        std::string wanted = std::exchange(process->moving_to, "");
        bool unfinished = control::bool_member(reply, "unfinished");
        if (!ok) process->last_error = string_member(reply, "error").value_or("unknown error");
        if (ok || process->at_home()) set_place(*process, ok ? string_member(reply, "where").value_or(wanted) : kHome, unfinished);
    }
    take_counters({{"processes", {reply}}});
    json answer = reply;
    answer.erase("id");  // the worker's numbering
    answer.erase("cpu");
    if (ok) answer["pid"] = pid;
    // Whatever was not found any more: this is why.
    if (!ok && is_being_killed(pid)) answer["error"] = fmt::format("process {} has ended", pid);
    spdlog::info("move of {}: {}", pid, answer.dump(-1, ' ', false, json::error_handler_t::replace));
    done(answer);
}

namespace {

// It may have ended, or begun another program, that knows nothing of it.
void notify(const JobProcess& process) {
    if (process.notify_signal == 0 || process.notify_image != image_identity(process.pid)) return;
    sigval moves{};
    moves.sival_int = static_cast<int>(process.moves);
    if (::sigqueue(process.pid, process.notify_signal, moves) != 0)
        spdlog::warn("process {} is not told of its move: {}", process.pid, strerrordesc_np(errno));
}

}  // namespace

// `unfinished`: its worker still holds threads of it (runtime/deputy/worker.h).
void Job::set_place(JobProcess& process, const std::string& where, bool unfinished) {
    if (process.where != where) {
        process.moves++;
        process.where = where;
        if (!process.at_home()) stays_++;
        spdlog::info("process {} is at {}", process.pid, where);
        notify(process);
    }
    if (!process.at_home()) return;
    process.address.clear();
    process.calls_before += std::exchange(process.calls_now, 0);
    process.returns_before += std::exchange(process.returns_now, 0);
    if (!unfinished) leave_worker(process);
}

void Job::leave_worker(JobProcess& process) {
    process.worker = nullptr;
    if (trap_) trap_->attach(process.pid);
}

Expected<WorkerLink*> Job::start_worker() {
    WorkerSetup setup;
    TRY_ASSIGN(setup.keys_directory, options_.keys.empty() ? configured_keys() : Expected(options_.keys));
    setup.insecure = options_.insecure;
    TRY_ASSIGN(setup.reconnect_seconds, configured_reconnect_seconds());
    setup.job = options_.name;
    setup.free_home_memory = options_.free_home_memory;
    setup.signals_trapped = trap_ != nullptr;
    setup.own_filters = movable_context().own_filters;
    WorkerLink::Events events;
    events.on_event = [this](WorkerLink& w, const json& event) { on_worker_event(w, event); };
    events.on_end = [this](WorkerLink& w, const std::string& how) { on_worker_end(w, how); };
    events.in_worker = [this] { start_log_anew("worker", options_); };
    TRY_ASSIGN(auto worker, WorkerLink::start(loop_, std::move(setup), std::move(events)));
    workers_.push_back(std::move(worker));
    return workers_.back().get();
}

void Job::on_worker_event(WorkerLink& worker, const json& event) {
    std::string what = string_member(event, "event").value_or("");
    auto pid = control::pid_member(event, "pid");
    if (!pid) return;
    JobProcess* process = what == "born" ? processes_.adopt(*pid) : processes_.known(*pid);
    if (what == "ended") return on_ended_away(*pid, event);
    if (what == "tallies") return take_tallies(*pid, event);
    if (process == nullptr) return;
    take_counters({{"processes", {event}}});
    if (what == "patched") {
        process->sites_patched = control::integer_member(event, "patched").value_or(0);
        process->sites_refused = control::integer_member(event, "refused").value_or(0);
    } else if (what == "moved") {
        process->sites_patched = process->sites_refused = 0;
        take_cpu_time(*process, event);
        if (auto where = string_member(event, "where")) set_place(*process, *where, control::bool_member(event, "unfinished"));
        if (process->at_home()) process->return_reason = string_member(event, "why").value_or("");
    } else if (what == "progress") {
        process->progress = event;
        process->progress.erase("event");
    } else if (what == "finished") {
        if (process->at_home() && !process->moving()) leave_worker(*process);
    } else if (what == "born") {
        process->worker = &worker;
        process->where = string_member(event, "where").value_or(kHome);
        process->stderr_target = stderr_target(*pid);
        process->command = command_line(*pid);
    } else if (what == "hold") {
        // One tracer at a time, and as short as may be: in between the signals would end the program.
        if (trap_) trap_->release(*pid, [this, pid = *pid] { say_released(pid); });
    } else if (what == "let_go") {
        if (trap_) trap_->attach(*pid);
    } else if (what == "steer") {
        steer(*process, string_member(event, "want").value_or(""));
    }
}

void Job::say_released(pid_t pid) {
    const JobProcess* process = processes_.known(pid);
    if (process != nullptr && process->worker != nullptr)
        process->worker->request({{"op", "released"}, {"pid", pid}}, [](const json&) {});
}

void Job::on_ended_away(pid_t pid, const json& event) {
    auto lost = string_member(event, "lost");
    auto explained = std::find_if(unexplained_.begin(), unexplained_.end(), [&](auto& p) { return p.pid == pid; });
    JobProcess* process = explained != unexplained_.end() ? &*explained : processes_.known(pid);
    if (process != nullptr && lost) lose(*process, *lost);
    if (explained != unexplained_.end())
        unexplained_.erase(explained);
    else
        ended_in_order_.insert(pid);
}

void Job::on_worker_end(WorkerLink& worker, const std::string& how) {
    spdlog::info("worker {}: {}", worker.pid(), how.empty() ? "ended" : how);
    for (JobProcess& process : unexplained_)
        if (process.worker == &worker && !how.empty()) lose(process, how);
    unexplained_.remove_if([&](const auto& process) { return process.worker == &worker; });
    for (JobProcess* process : processes_.all()) {
        if (process->worker != &worker) continue;
        bool orderly =
            ended_in_order_.contains(process->pid) || (process->at_home() && !(process->moving() && is_being_killed(process->pid)));
        if (!orderly) lose(*process, how.empty() ? "its worker ended without it" : how);
        process->worker = nullptr;
        process->moving_to.clear();
    }
    workers_.remove_if([&](const auto& w) { return w.get() == &worker; });
    end_if_over();
}

void Job::lose(JobProcess& process, const std::string& how) {
    if (!process.lost.empty()) return;
    process.lost = how;
    lost_.push_back(row(process, movable_context()));
    std::string line = fmt::format("process {} was lost on {}: {}", process.pid, process.where, how);
    spdlog::error("{}", line);
    if (!note_on_stderr(process.pid, process.stderr_target, stderr_file_of(process.pid), line))
        spdlog::warn("its stderr can't be reached");
}

// Only of the program that pmirun became it is known what its stderr was.
std::optional<std::string> Job::stderr_file_of(pid_t pid) const {
    return pid == options_.program ? std::optional(options_.stderr_file) : std::nullopt;
}

// What a worker says of a process that comes home; it outlives the worker.
void Job::take_cpu_time(JobProcess& process, const json& from) {
    if (auto cpu = from.find("cpu"); cpu != from.end()) process.cpu_away = *cpu;
}

// From a "status" reply, or from whatever else carries the same members.
void Job::take_counters(const json& from) {
    auto list = from.find("processes");
    if (list == from.end() || !list->is_array()) return;
    for (const json& entry : *list) {
        if (!entry.is_object()) continue;
        auto pid = control::pid_member(entry, "pid");
        JobProcess* process = pid ? processes_.known(*pid) : nullptr;
        if (process == nullptr || process->at_home()) continue;
        process->calls_now =
            static_cast<uint64_t>(integer_member(entry, "calls").value_or(static_cast<int64_t>(process->calls_now)));
        process->returns_now =
            static_cast<uint64_t>(integer_member(entry, "returns").value_or(static_cast<int64_t>(process->returns_now)));
        process->cut_off = entry.value("cut", false);
        process->post_copy = entry.value("post_copy", json());
        process->away_memory_kib =
            static_cast<uint64_t>(integer_member(entry, "memory_kib").value_or(static_cast<int64_t>(process->away_memory_kib)));
        if (auto reason = string_member(entry, "return_reason"); reason && !reason->empty()) process->return_reason = *reason;
    }
}

// A wish by signal, by the program, or by --away: nobody waits for an answer.
void Job::steer(JobProcess& process, const std::string& want) {
    pid_t pid = process.pid;
    if (want == "home") return come_home(process, [this, pid](const json& reply) { on_steered(pid, reply); });
    if (process.moving()) return on_steered(pid, refused(kAlreadyMoving));
    auto node = options_.node.empty() ? configured_default_node() : Expected(options_.node);
    if (!node) return on_steered(pid, refused(node.error().message()));
    if (!node->empty()) return steer_away(pid, *node);
    find_best_node(loop_, options_.keys, options_.insecure, [this, pid](Expected<std::string> best) {
        if (best)
            steer_away(pid, *best);
        else
            on_steered(pid, refused(best.error().message()));
    });
}

void Job::steer_away(pid_t pid, const std::string& node) {
    if (JobProcess* process = processes_.known(pid))
        go_away(*process, node, "auto", [this, pid](const json& reply) { on_steered(pid, reply); });
}

void Job::on_steered(pid_t pid, const json& reply) {
    if (control::bool_member(reply, "ok")) return;
    std::string why = string_member(reply, "error").value_or("unknown error");
    spdlog::warn("process {}: {}", pid, why);
    JobProcess* process = processes_.known(pid);
    if (process == nullptr) return;
    process->last_error = why;
    // --away was typed by a person who is still looking at the terminal; a signal may come from anything.
    if (options_.away && pid == options_.program && process->moves == 0)
        (void)note_on_stderr(pid, "", stderr_file_of(pid), fmt::format("{} stays at home: {}", options_.name, why));
}

}  // namespace pmi::job

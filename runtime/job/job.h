// One job: PROGRAM and what it started, seen from the supervisor that pmirun left behind. It answers the
// control socket, starts a worker for each process that leaves (a family: what that process forks while away
// stays with the same worker), remembers where each process is, and ends when none is left.
//
// Who runs the process: while at_home() and not moving(), the process itself, natively, and the supervisor
// does nothing to it. From the start of a move to its return (or its failure) its worker does.
#pragma once
#include <list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "runtime/control/event_loop.h"
#include "runtime/control/server.h"
#include "runtime/deputy/movable.h"
#include "runtime/job/destination.h"
#include "runtime/job/processes.h"
#include "runtime/job/signal_trap.h"
#include "runtime/job/supervisor_options.h"
#include "runtime/job/worker_link.h"

namespace pmi::job {

class Job {
  public:
    Job(control::EventLoop& loop, SupervisorOptions options);
    ~Job();

    // Takes over the inherited descriptors and begins to serve. The loop stops when the job is over.
    Status start();
    void flush() { server_.flush(); }
    // Its control socket has got another name.
    void listen_at(Fd socket);
    // For --summary: what the calls of all its processes have cost while they were away.
    std::string summary() const;

  private:
    using Json = nlohmann::json;
    using Done = std::function<void(const Json& reply)>;  // a control reply, {"ok":...}

    // job.cpp: requests
    void on_request(control::RequestId id, const Json& request);
    void on_migrate(const control::RequestId& id, JobProcess& process, const Json& request);
    void on_home(const control::RequestId& id, JobProcess& process, const Json& request);
    void on_where(const control::RequestId& id, JobProcess& process, const Json& request);
    void on_progress(const control::RequestId& id, JobProcess& process, const Json& request);
    void on_cancel(const control::RequestId& id, JobProcess& process, const Json& request);
    void on_steer(const control::RequestId& id, JobProcess& process, const Json& request);
    void on_notify(const control::RequestId& id, JobProcess& process, const Json& request);
    void on_hold(const control::RequestId& id, JobProcess& process, const Json& request);
    Done answer_to(const control::RequestId& id);
    void on_process_ended(JobProcess& process);
    void end_if_over();

    // moves.cpp
    void go_away(JobProcess& process, const std::string& node, const std::string& mode, Done done);
    void come_home(JobProcess& process, Done done);
    static void begin_moving(JobProcess& process, const std::string& to);
    std::optional<std::string> refusal(JobProcess& process, const Destination& to);
    void begin_move(pid_t pid, const Destination& to, const std::string& mode, const Done& done);
    void say_released(pid_t pid);  // by the trap, to its worker
    void end_move(pid_t pid, const Json& reply, const Done& done);
    void set_place(JobProcess& process, const std::string& where, bool unfinished);
    void leave_worker(JobProcess& process);
    Expected<WorkerLink*> start_worker();
    void on_worker_event(WorkerLink& worker, const Json& event);
    void on_worker_end(WorkerLink& worker, const std::string& how);
    void on_ended_away(pid_t pid, const Json& event);
    std::optional<std::string> stderr_file_of(pid_t pid) const;
    void lose(JobProcess& process, const std::string& how);
    void take_counters(const Json& from);
    static void take_cpu_time(JobProcess& process, const Json& from);
    void steer(JobProcess& process, const std::string& want);
    void steer_away(pid_t pid, const std::string& node);
    void on_steered(pid_t pid, const Json& reply);

    // stats.cpp
    void on_stats(const control::RequestId& id, JobProcess& process, const Json& request);
    void take_tallies(pid_t pid, const Json& event);
    Json stats_of(const JobProcess& process) const;

    // listing.cpp
    void on_ps(const control::RequestId& id);
    Json list() const;
    Json row(const JobProcess& process, const MovableContext& context) const;
    MovableContext movable_context() const;

    control::EventLoop& loop_;
    SupervisorOptions options_;
    Processes processes_;
    control::ControlServer server_;
    std::list<std::unique_ptr<WorkerLink>> workers_;
    std::unique_ptr<SignalTrap> trap_;   // with --trap-signals
    std::set<pid_t> ended_in_order_;     // while away, as their workers said; until their pidfds say so too
    std::list<JobProcess> unexplained_;  // ended while away; what their workers say to that is still to come
    CallTallies tallies_;                // of all processes, those that have ended too
    uint64_t stays_ = 0;                 // away, that have begun
    std::vector<Json> lost_;             // rows of processes that were lost
};

}  // namespace pmi::job

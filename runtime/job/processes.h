// The processes of one job. A process belongs to it if its environment carries our PMI_JOB, or if it descends
// from PROGRAM and carries no other job's (a nested pmirun starts a job of its own). Membership is looked up
// only when somebody asks and when a process has ended; each member once found is held by pidfd and start
// time, so that a number that the kernel gives out again is never taken for it.
#pragma once
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "remote/wire/call_tallies.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/control/event_loop.h"

namespace pmi::job {

class WorkerLink;

struct JobProcess {
    pid_t pid = 0;
    uint64_t start_time = 0;
    Fd pidfd;

    std::string where = "home";
    std::string address;           // HOST:PORT of that node, whatever name was used for it; empty at home
    std::string moving_to;         // empty: no move under way
    bool cancelled = false;        // the move under way, before a worker had it
    nlohmann::json progress;       // of the move under way, as the worker said last
    WorkerLink* worker = nullptr;  // holds it while it moves and while it is away
    std::string lost;              // why, once its node or worker died under it
    uint64_t moves = 0;
    uint64_t calls_before = 0, calls_now = 0;      // forwarded calls of earlier stays, of this one
    uint64_t returns_before = 0, returns_now = 0;  // times that it had to come home for a call
    std::string return_reason;
    CallTallies tallies;  // of its calls while away, over all stays
    uint64_t away_memory_kib = 0;
    int64_t sites_patched = 0, sites_refused = 0;  // system call sites, of this stay
    bool cut_off = false;                          // away, and the connection to the node is cut
    nlohmann::json post_copy;                      // away, and its memory still follows: counts of pages, as its worker says
    nlohmann::json cpu_away;                       // CPU time used away, as its last worker said it, for its next one
    std::string last_error;                        // of a move that nobody waited for
    std::string held_image;                        // pmi_hold was called by this image; empty: not held
    int notify_signal = 0;                         // what it gets after each move (pmi_notify); 0: nothing
    std::string notify_image;                      // who has asked for that
    bool of_other_job = false;                     // has since become a nested pmirun's
    std::string command;                           // its command line before it left
    std::string stderr_target;                     // what its descriptor 2 was before it left

    bool at_home() const { return where == "home"; }
    bool moving() const { return !moving_to.empty(); }
};

class Processes {
  public:
    using OnEnded = std::function<void(JobProcess&)>;  // called just before it is forgotten

    // `mark`: the value of PMI_JOB that makes a member.
    Processes(control::EventLoop& loop, pid_t program, std::string mark, OnEnded on_ended);
    ~Processes();
    Processes(const Processes&) = delete;
    Processes& operator=(const Processes&) = delete;

    // PROGRAM itself, by the pidfd that was opened before it could end.
    void add_program(Fd pidfd);
    // Pointers are good until control is back in the loop, even if the process is found to have ended meanwhile.
    // A member (looked up if not known yet); else an Error that says what `pid` is instead.
    Expected<JobProcess*> find(pid_t pid);
    JobProcess* known(pid_t pid);
    // A child that a worker reports.
    JobProcess* adopt(pid_t pid);
    // Looks for all members.
    void refresh();
    std::vector<JobProcess*> all();  // those of nested jobs left out
    bool empty() const { return by_pid_.empty(); }

  private:
    JobProcess* hold(pid_t pid, Fd pidfd);
    bool is_member(pid_t pid);
    void look_for_nested_job(JobProcess& process);
    void ended(pid_t pid);

    control::EventLoop& loop_;
    pid_t program_;
    std::string mark_;
    OnEnded on_ended_;
    std::map<pid_t, std::unique_ptr<JobProcess>> by_pid_;
    // That a process has ended may be found out by any look at it: who has it in hand keeps it until the loop's turn is over.
    std::vector<std::unique_ptr<JobProcess>> ended_;
    control::EventLoop::TimerId forget_ended_ = 0;
};

// One line for people; empty if the process is gone.
std::string command_line(pid_t pid);
// Tells one exec of a process from the next: its address-space layout, which is random for each.
std::string image_identity(pid_t pid);

}  // namespace pmi::job

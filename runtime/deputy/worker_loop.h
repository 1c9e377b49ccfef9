// The worker proper (worker.h): the tracer of one family's deputies. One thread does all of it; the others (call
// server, sessions' receivers) never touch ptrace. The class is cut by concept:
//   worker.cpp        requests of the job supervisor, the loop
//   worker_stops.cpp        what a deputy's stop means: job control, interruptions, events
//   worker_signals.cpp      signals
//   worker_interrupted.cpp  the call that a stopped thread is in
//   worker_tasks.cpp        fork, clone, exec, exit
//   worker_progress.cpp  how far a move has got, and that it is not wanted any more
//   worker_away.cpp   home -> node, node -> node
//   worker_precopy.cpp   memory that travels while the program still runs at home
//   worker_postcopy.cpp  memory that follows when the program already runs on a node
//   worker_rounds.cpp    memory that travels while the program still runs on a node
//   worker_copy.cpp      what home keeps of the memory of a program that is away
//   worker_home.cpp   node -> home
#pragma once
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "kernel-assist/assist.h"
#include "remote/movers/memory_follower.h"
#include "remote/movers/mover.h"
#include "remote/movers/round_policy.h"
#include "runtime/deputy/agent_region.h"
#include "runtime/deputy/call_server.h"
#include "runtime/deputy/cpu_of_stays.h"
#include "runtime/deputy/home_clock.h"
#include "runtime/deputy/node_session.h"
#include "runtime/deputy/unfinished_calls.h"
#include "runtime/deputy/watched_files.h"
#include "runtime/deputy/worker.h"
#include "runtime/kernel/shared_memory.h"
#include "runtime/memory/region_plan.h"
#include "runtime/tracee/freezer.h"

namespace pmi {

constexpr const char* kSteeredHome = "signal SIGRTMAX";  // as DeputyProcess::wants_home

struct DeputyThread {
    HomePid tid;
    bool stopped = false;
    bool quiet = false;        // all signals blocked for a return; no call in flight
    bool wants_quiet = false;  // to be made so at its next stop
    uint64_t mask_before_quiet = 0;
    int asked_signal = 0;                       // it stands in the stop before this one: the node is asked whether it is blocked
    std::optional<uint64_t> mask_when_asked{};  // it is being made quiet, and its mask is ours already
    uint64_t cancel = 0;                        // id of the call that its next stop has to end, 0: none
    uint64_t time_is_up = 0;                    // the same, for its deadline
    int64_t last_ran_ns = 0;                    // before it was stopped in a call that sends in parts (socket_timeout.h)
    uint64_t fork_call = 0;                     // id of the call by which it made a process last, and that process
    HomePid forked{};
    bool exiting = false;
    bool untraced = false;  // a leader that had ended when the program left: its end is that of the last other thread
};

// It will kill the program, with a core dump, once the program is home.
struct FatalSignal {
    HomePid tid;
    siginfo_t info{};
};

struct DeputyProcess {
    HomePid pid;
    std::shared_ptr<NodeSession> session;  // its family's, until it or they move on
    std::shared_ptr<CallServer> server;    // one for the process that left home and all that were forked since
    std::map<HomePid, DeputyThread> threads;
    bool job_stopped = false;
    // Of the last answer to Freeze.
    enum class FreezeAnswer { None, Acknowledged, Failed } freeze = FreezeAnswer::None;
    std::string freeze_text;
    bool running = false;       // the node has said so
    bool tallies_told = false;  // since they were asked for last
    bool ending = false;        // its last stores in files have been asked for
    std::optional<FatalSignal> fatal;
    std::string wants_home;                                     // why the node asked for the return
    int64_t try_return_at_ns = 0, return_failing_since_ns = 0;  // CLOCK_MONOTONIC; 0: no return has failed
    bool can_wait = false;                                      // the return may fail for ever
    HomePid looks_into{0};                                      // the process that has to be home before it (ReturnHead), 0: none
    uint64_t moves = 0, returns = 0;
    uint64_t signals_taken = 0;
    std::vector<SignalHead> passed_on;  // to a node that has been told to let it run and has not said that it does
    std::string return_reason;
    CpuHead cpu_before_exec{};          // as the node said when an exec was about to be made
    bool keeps_copy = false;            // its memory here is as it was when it left, and the node knows what it has written since
    std::unique_ptr<PageServer> pages;  // some of its memory is still here alone
    bool all_there = false;             // the node has said so
    bool node_tracks = false;           // what the program writes there
    wire::Image layout;                 // its address space here: regions and their flags
    uint64_t cpu_account = 0;           // where libpmi.so keeps the CPU time used away, 0: nowhere

    AgentRegion& region() const { return server->region(); }
    // A thread that still has the program's memory: the leader, unless it has exited before the others.
    pid_t alive() const {
        if (auto it = threads.find(pid); it != threads.end() && !it->second.exiting) return pid.value;
        for (const auto& [tid, t] : threads)
            if (!t.exiting) return tid.value;
        return pid.value;
    }
};

// What has travelled of a program's memory while it ran at home. When it goes the program is not followed any more.
struct EarlyCopy {
    std::unique_ptr<MemoryFollower> follower;
    WatchedFiles files{WatchedFiles::Programs::AtHome};  // those whose contents have been sent
    uint64_t agent_base = 0;
    wire::Image layout;         // as the last round found it, or as it was announced
    int64_t flags_read_ns = 0;  // when the flags of its mappings were
    std::vector<Round> rounds;
    bool is_nearly_there = false;  // next to nothing has been written since the last one
    MoveTotals totals{};
    ~EarlyCopy() {
        while (follower && follower->let_go_some()) {
        }
    }
};
inline size_t rounds_of(const EarlyCopy* early) { return early == nullptr ? 0 : early->rounds.size(); }

// The same on its way home.
struct EarlyReturn {
    wire::Image image;    // the layout of the last round
    PageSet installable;  // what of it home has as the node has it, or the program's own
    std::vector<Round> rounds;
    MoveTotals totals{};
};
// It is to follow when the program already runs on the node.
struct LaterCopy {
    bool is_wanted = true;  // what rounds have left is not little
    PageLines lines;
    PageSet pages;
    std::unique_ptr<PageServer> server;
};
// And from node to node.
struct EarlyHop {
    std::vector<Round> rounds;
    MoveTotals totals{};
};

class Worker : private StopWaiter {
  public:
    explicit Worker(const WorkerSetup& setup) : setup_(setup), assist_(make_assist()) {}
    Status run();

  private:
    // -- worker.cpp
    Status set_up();
    Status refuse(const Error& why) const;
    Status one_event(int timeout_ms);  // requests excluded
    Status handle_packets();
    void handle_request(const nlohmann::json& request);
    Expected<nlohmann::json> perform(const nlohmann::json& request);
    bool another_returns(const DeputyProcess& p) const;
    bool is_to_return(const DeputyProcess& p) const;  // now, or when it is tried again
    void call_home_first(DeputyProcess& p, HomePid thread);
    std::vector<nlohmann::json> receive_requests();
    nlohmann::json status_of_all() const;
    void send(const nlohmann::json& message) const;
    Status serve_returns();
    DeputyProcess* next_to_return();
    int wait_ms() const;  // for poll(2): until something is due
    Status check_deadlines();
    void return_later(DeputyProcess& p, const std::string& why, const Error& error);
    Status check_clock();  // tells the nodes when home's has been set
    void check_files();    // brings home what maps a file that has changed
    void tell_lost_stores();
    void take_last_stores(DeputyProcess& p);
    // Events until done(); Error ETIMEDOUT with `what`.
    Status pump(int timeout_ms, const char* what, const std::function<bool()>& done);
    Status handle_session_events();
    Status handle_session_event(SessionEvent& event);
    Status take_tallies(HomePid pid, std::span<const std::byte> body);
    Expected<nlohmann::json> ask_tallies(HomePid pid);
    Status session_lost(NodeSession* session, const Error& why);
    void forget(HomePid pid);
    void say_on_stderr(const DeputyProcess& p, const std::string& text) const;
    // Its guest is lost, or may not go on: its parent sees it die, and its standard error says why.
    void kill_away(const DeputyProcess& p, const std::string& why) const;
    // For who handles what a deputy has met. A node that can't be told is lost, of which its session tells: that is no reason for
    // anything to become of the deputies of other nodes.
    template <typename Head>
    static void tell(const DeputyProcess& p, FrameType type, const Head& head) {
        if (!p.session->send(type, head)) p.session->break_off();
    }
    void bring_all_home(const char* why);
    DeputyProcess* process_of(HomePid pid);
    DeputyProcess* process_of_thread(HomePid tid);
    Expected<int> wait(pid_t tid, int timeout_ms) override;
    Expected<int> wait_by_signal(pid_t tid, int timeout_ms);
    void take_child_signals();

    // -- worker_stops.cpp
    Status handle_children();
    Status handle_stop(pid_t tid, const Stop& stop);
    Status handle_unfinished(pid_t tid, const Stop& stop);
    Status handle_group_stop(DeputyProcess& p, DeputyThread& t);
    Status handle_interrupt_stop(DeputyProcess& p, DeputyThread& t);
    Status handle_ptrace_event(DeputyProcess& p, DeputyThread& t, int event);
    Status make_quiet_now(const DeputyProcess& p, DeputyThread& t);
    static Status go_on(const DeputyProcess& p, DeputyThread& t);
    static Status let_run(DeputyThread& t, int signal = 0);  // 0: without one
    Status cancel_call(const CallHead& head);

    // -- worker_signals.cpp
    Status handle_signal(DeputyProcess& p, DeputyThread& t, int signal);
    Status take_signal(DeputyProcess& p, DeputyThread& t, int signal);
    static Status ask_mask(const DeputyProcess& p, const DeputyThread& t);
    Status handle_mask(const MaskHead& answer);
    Status put_signal_back(const DeputyProcess& p, DeputyThread& t);
    Expected<int> queue_again(const DeputyProcess& p, const DeputyThread& t, int signal);
    Status die_at_home(DeputyProcess& p, DeputyThread& t);
    Status die_of(DeputyProcess& p, const SignalHead& fault);
    struct SignalAction {  // as the kernel has it
        uint64_t handler = 0, flags = 0, restorer = 0, mask = 0;
    };
    Expected<SignalAction> action_of(const DeputyProcess& p, const DeputyThread& t, int signal);
    Status reset_one_shot_handler(const DeputyProcess& p, const DeputyThread& t, int signal);

    // -- worker_interrupted.cpp
    enum class Interrupted { DeliverResult, GoOnAsIfNothing, TimeIsUp };
    Status settle_call(const DeputyProcess& p, DeputyThread& t, Interrupted how, bool cancel);
    Status issue_again(const DeputyProcess& p, const DeputyThread& t, Slot& slot, Registers& r);
    Status skip_in_slot(const DeputyProcess& p, const DeputyThread& t, Slot& slot, uint64_t transferred);
    enum class Progressed { No, Yes };
    static void keep_deadline(const DeputyProcess& p, const DeputyThread& t, const Slot& slot, Progressed progressed);

    // -- worker_tasks.cpp
    Status handle_end(DeputyProcess& p, HomePid tid);
    Status let_end(DeputyProcess& p, HomePid tid);
    Status new_task(DeputyProcess& parent, DeputyThread& by, pid_t tid);
    Status tell_last_fork(DeputyProcess& p, HomePid tid);
    Status adopt_unreported_child(DeputyProcess& p, DeputyThread& by);
    Status start_child(DeputyProcess& p, pid_t tid);
    Status execed(DeputyProcess& p, pid_t tid);

    // -- worker_progress.cpp
    struct MoveStep {
        size_t round = 0;       // 0: there are no rounds
        bool standing = false;  // the program stands still
        uint64_t bytes = 0;     // sent or received so far
        uint64_t left = 0;      // in this round, as far as is known
    };
    void begin_clocks();
    // The program runs again, there.
    nlohmann::json summary(HomePid pid, const std::string& where, const MoveTotals& totals, const StreamCounts& packed) const;
    // In the middle of a move, often: Error ECANCELED when it is not wanted any more.
    Status on_the_way(HomePid pid, const MoveStep& step);
    Status check_cancelled(HomePid pid);
    Expected<nlohmann::json> cancel_move(HomePid pid);
    Expected<std::unique_ptr<Message>> receive_for(HomePid pid, NodeSession& session, int timeout_ms, const MoveStep& step);

    // -- worker_away.cpp
    // `cpu`: what it used in earlier stays away (cpu_of_stays.h).
    Expected<nlohmann::json> migrate(HomePid pid, const NodeAddress& to, const std::string& mode, const nlohmann::json& cpu);
    Expected<nlohmann::json> leave_home(HomePid pid, const NodeAddress& to, const std::string& mode, const nlohmann::json& cpu);
    Expected<nlohmann::json> hop(DeputyProcess& p, const NodeAddress& to, const std::string& mode);
    Expected<std::shared_ptr<NodeSession>> open_session(HomePid pid, const NodeAddress& to);
    Expected<wire::Image> capture(const Frozen& frozen, HomePid pid, const wire::Machine& node, const EarlyCopy* early,
                                  SharerSearch& sharers, std::shared_ptr<AgentRegion>* region);
    // `early`, `later`: null where there is no such thing.
    Status send_out(NodeSession& session, const wire::Image& image, pid_t pid, EarlyCopy* early, LaterCopy* later,
                    MoveTotals* totals);
    Expected<ReadyNote> wait_for_ready(HomePid pid, NodeSession& session, const MoveStep& step);
    // What comes next on the session's stream; meanwhile the tracer sees what it has to see. `late`: what the node does if
    // nothing comes in time.
    Expected<std::unique_ptr<Message>> await_message(NodeSession& session, int timeout_ms, const char* late,
                                                     const std::function<Status()>& check = {});
    Status become_deputies(const Frozen& frozen, const wire::Image& image, std::shared_ptr<AgentRegion> region,
                           std::shared_ptr<NodeSession> session);
    Status start_deputies(DeputyProcess& p);
    Status commit(DeputyProcess& p, NodeSession& session);
    Expected<Frozen> freeze_home(HomePid pid);
    Status take_from_trap(HomePid pid);
    Status thaw_home(const Frozen& frozen);
    Status roll_back(const Frozen& frozen, const wire::Image& image, const AgentRegion& region, bool stripped);
    Status stop_for_rollback(pid_t tid, int signal);
    Status requeue_passed_on(HomePid pid, const std::vector<SignalHead>& signals, AgentPlace agent);
    Status roll_back_hop(HomePid pid, const std::shared_ptr<NodeSession>& old, const Error& why);
    Status settle_pending_signals(DeputyProcess& p);

    // -- worker_precopy.cpp
    Expected<MoveMode> choose_mode_out(HomePid pid, const NodeSession& session, const std::string& asked, MoveFacts* facts);
    // Null: nothing travels before it stands still.
    Expected<std::unique_ptr<EarlyCopy>> copy_early(HomePid pid, NodeSession& session, MoveMode mode, const MoveFacts& facts);
    Expected<std::unique_ptr<DirtyTracking>> start_following(HomePid pid);
    static Expected<wire::Image> describe_running(HomePid pid, pid_t alive, EarlyCopy& copy);
    static Status announce(HomePid pid, NodeSession& session, EarlyCopy& copy);
    // `later`: set, its own pages are left out.
    Status send_round(HomePid pid, NodeSession& session, EarlyCopy& copy, PageSet* later);
    // What may follow is given up there.
    Status take_back(HomePid pid, NodeSession& session, EarlyCopy& copy);
    Status wait_for_round(HomePid pid, NodeSession& session);

    // -- worker_postcopy.cpp
    Expected<std::unique_ptr<LaterCopy>> prepare_later(HomePid pid, NodeSession& session);
    Status send_later(const wire::Image& image, pid_t pid, NodeSession& session, LaterCopy& later);
    Status settle_copies();
    Status settle_copy(DeputyProcess& p);
    Status wait_until_all_there(HomePid pid);

    // -- worker_rounds.cpp
    Status bring_early(HomePid pid, EarlyReturn& early);
    Status hop_early(HomePid pid, NodeSession& from, NodeSession& to, EarlyHop& early);
    Status ask_for_round(HomePid pid, NodeSession& session, const RoundAsk& ask);
    Expected<bool> receive_round(HomePid pid, NodeSession& session, const std::function<Status(const StreamView&)>& take);
    // `work` with one thread stopped, and no large call under way. Error EBUSY: one is.
    Status with_own_memory(HomePid pid, const std::function<Status(DeputyProcess& p)>& work);
    Status take_early(HomePid pid, const StreamView& view, EarlyReturn& early);
    Status shape_early(HomePid pid, const StreamView& view, EarlyReturn& early);
    Status drop_early(HomePid pid, const StreamView& view, const EarlyReturn& early);
    Status install_early(HomePid pid, const StreamView& view, EarlyReturn& early);
    Status pass_on_early(HomePid pid, NodeSession& to, const StreamView& view, EarlyHop& early);
    Status send_when_possible(HomePid pid, NodeSession& to, std::span<const std::byte> bytes);

    // -- worker_copy.cpp
    Status check_memory();
    Status keep_or_free(DeputyProcess& p, const wire::Image& image, bool node_tracks);
    Status free_copy(DeputyProcess& p, const wire::Image& image);
    Status hollow_out(DeputyProcess& p, const wire::Image& image);
    Status drop_here(const DeputyProcess& p, const std::vector<AddressRange>& ranges);
    Status drop_stale(const DeputyProcess& p);
    // One thread stops for `work`, as short as that may be; its calls are held up meanwhile.
    Status with_stopped_deputy(HomePid pid, const std::function<Status(pid_t tid)>& work);

    // -- worker_home.cpp
    Expected<nlohmann::json> bring_home(HomePid pid);
    Status freeze_guest(DeputyProcess& p);
    Status make_quiet(DeputyProcess& p);
    Status end_quiet(DeputyProcess& p, const wire::Image* image);
    Expected<wire::Image> receive_image(DeputyProcess& p);
    Status stop_deputy(DeputyProcess& p, HomePid tid);
    Status stop_deputies(DeputyProcess& p);
    // `Round`: what only the whole of a file's contents could fill is left out. `plan`: what was done, null if nobody asks.
    enum class ShapeFor { Return, Round };
    Status clear_way_of_heap(const DeputyProcess& p, uint64_t now, uint64_t wanted);
    Status shape_skeleton(DeputyProcess& p, const wire::Image& image, ShapeFor purpose, RegionPlan* plan);
    Status protect_shared(DeputyProcess& p, const wire::Image& image, uint32_t also);
    Status receive_memory(DeputyProcess& p, const wire::Image& image, const RegionPlan& plan, MoveTotals* totals);
    Status take_drop(const DeputyProcess& p, const MemoryInstaller& installer, const StreamView& view);
    Status settle_in(DeputyProcess& p, const wire::Image& image);
    Status give_up_return(DeputyProcess& p, const Error& why);

    const WorkerSetup setup_;
    std::unique_ptr<Assist> assist_;
    std::shared_ptr<const Keyring> ring_;
    std::shared_future<Status> can_track_;  // DirtyTracking::probe
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<SessionEvents> events_;
    Fd children_;                    // signalfd of SIGCHLD and SIGXCPU
    bool children_changed_ = false;  // a SIGCHLD has been taken, and what it was for perhaps not
    std::optional<ClockSetWatch> clock_watch_;
    WatchedFiles files_;
    std::map<HomePid, std::unique_ptr<DeputyProcess>> processes_;
    // That have ended since the loop came round: who is in the middle of something with one still has it in hand.
    std::vector<std::unique_ptr<DeputyProcess>> forgotten_;
    int64_t memory_check_at_ns_ = 0;            // CLOCK_MONOTONIC
    std::set<pid_t> expected_;                  // new tasks whose first stop is to come
    UnfinishedCalls unfinished_;                // of processes at home
    std::vector<RestartedCall> restarted_;      // of the process that was stopped last, since then
    std::vector<std::pair<pid_t, int>> ended_;  // tasks whose end a wait() for something else has met, and the status
    std::set<pid_t> early_children_;            // new tasks that stopped before their parent's event
    bool had_process_ = false;
    // A move whose program still runs where it was can be cancelled.
    HomePid cancellable_, cancelled_;
    HomePid released_;                     // by the trap of steering signals
    std::deque<nlohmann::json> requests_;  // not handled yet: a move is under way
    int64_t tell_at_ns_ = 0;               // of its progress
    // Of the move under way: since when the program stands still, and for how long it did at most before.
    int64_t began_ns_ = 0, stands_since_ns_ = 0, longest_stall_ns_ = 0;
    bool supervisor_gone_ = false;
    bool cpu_is_short_ = false;  // this process has used nearly all that its limit on CPU time grants
};

}  // namespace pmi

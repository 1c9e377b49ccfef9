// Serves the guests of one session: one thread, one loop over the notification listener, the call channel, the
// stream and SIGCHLD (ptrace). The class is cut by concept into several files:
//   guest_supervisor.cpp   the loop, and what a stop or an end of a guest task means
//   guest_calls.cpp        notified calls: forwarded, answered here, sent home with the program
//   guest_known.cpp        answered here, as home did before
//   guest_patches.cpp      answered by the program's own code, which is patched
//   guest_clone.cpp        fork, vfork, clone, threads
//   guest_map_file.cpp     mappings of files, and what is stored in them
//   guest_remap.cpp        mappings that move
//   guest_signals.cpp      signals from home, faults
//   guest_mask.cpp         signal masks
//   guest_arrival.cpp      arrival
//   guest_later.cpp        memory that comes when its program already runs here
//   guest_rounds.cpp       memory that leaves while its program still runs here
//   guest_keep.cpp         what is kept of it for its next stay
//   guest_moves.cpp        its end, freezing, departure
//   guest_cpu_clock.cpp    CPU time, which is used here
//   guest_wall_clock.cpp   the wall clock, which is home's
//   guest_wall_wait.cpp    waiting for a time of it
//   guest_tallies.cpp      what calls cost
#pragma once
#include <poll.h>
#include <sys/resource.h>

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "kernel-assist/assist.h"
#include "remote/jail/guest_cgroups.h"
#include "remote/jail/jail.h"
#include "remote/movers/memory_follower.h"
#include "remote/movers/mover.h"
#include "remote/movers/page_lines.h"
#include "remote/transport/call_channel.h"
#include "remote/transport/stream.h"
#include "runtime/guest/file_twins.h"
#include "runtime/guest/guest_builder.h"
#include "runtime/guest/guest_task.h"
#include "runtime/guest/own_files.h"
#include "runtime/guest/signals_from_home.h"

namespace pmi {

class PageFetcher;
class ShownFile;

class GuestSupervisor : private StopWaiter {
  public:
    struct Parts {
        std::unique_ptr<CallChannel> channel;
        std::unique_ptr<Stream> stream;
        // Another one, on a free port: the first may be lost with a cut.
        std::function<Expected<std::unique_ptr<Stream>>(uint16_t* port)> make_stream;
        // Connections for memory that comes later: listens, tells where, and waits for home.
        std::function<Expected<PageLines>(const std::function<Status(const LaterPorts&)>& tell)> page_lines;
        Jail jail;
        GuestClock clock;
        Fd children;                  // signalfd of SIGCHLD, which is blocked
        int64_t clock_offset_ns = 0;  // home's CLOCK_MONOTONIC minus this node's
        std::string node_name;
        std::optional<PageStore> pages;  // kept of earlier stays of this user's programs
        std::optional<OwnFiles> files;   // that this machine has and mapped files may be the same as
        GuestGroup cgroups;              // of the jail
        uint64_t memory_max = 0;         // that they have, 0: no limit
        GuestGroup task_groups;          // of whose limits on tasks the jail's are a part
        bool patching = true;
    };
    explicit GuestSupervisor(Parts parts);
    ~GuestSupervisor() override;

    // Until no guest is left or home is gone. An Error says why the session could not go on.
    Status run();

  private:
    // -- guest_supervisor.cpp
    Status wait_for_events();
    int wait_for(std::span<pollfd> fds, int timeout_ms);
    Status handle_frame(const Frame& frame);
    Status handle_channel();
    Status handle_stream_messages();
    Status renew_stream();
    Status handle_children();
    Status handle_stop(pid_t outer, const Stop& stop);
    Status handle_event_stop(GuestThread& t, const Stop& stop);
    Status task_ended(pid_t outer, int status);
    std::optional<std::string> why_killed(const GuestProcess& p, int status) const;
    Status go_on(GuestThread& t, int signal = 0);       // resumes it, or holds it while its process is held
    Status go_on_with(GuestThread& t, int64_t result);  // of the call that was made in place of its own
    Status stop_then(GuestThread& t, std::function<Status()> then);
    static Status stop_soon(GuestThread& t);
    // Calls that a stopped thread makes for us. A signal that came just before it stopped waits until `work` is done.
    Status inject(GuestThread& t, const std::function<Status(const CallThere& call)>& work);
    void kill_process(GuestProcess& p);
    void forget_process(HomePid pid);
    GuestThread* thread_of(pid_t outer);
    GuestThread* thread_of(HomePid pid, HomePid tid);
    GuestProcess* process_of(HomePid pid);
    GuestThread& add_thread(GuestProcess& p, HomePid tid, pid_t outer);
    AgentPlace agent_of(const GuestProcess& p) const;
    Expected<int> wait(pid_t tid, int timeout_ms) override;
    Status send_text(FrameType type, HomePid pid, const std::string& text);

    // -- guest_calls.cpp
    Status handle_notifications();
    Status handle_notification(const Notification& n);
    Status dispatch(GuestThread& t);
    Status dispatch_both(GuestThread& t, const Row& row);
    Status forward(GuestThread& t, const Row& row, CallKind kind, ReplyHandler then = {});
    Status forward_call(GuestThread& t, const Row* row, CallKind kind, Flattened flat, ReplyHandler then);
    Status cancel_call(const GuestThread& t);
    Status handle_reply(std::span<const std::byte> body);
    static int64_t add_transferred(GuestThread& t, int64_t value, bool partial);
    Status finish(GuestThread& t, int64_t result);
    Status answer(GuestThread& t, int64_t result);
    Status give(GuestThread& t, int64_t result);
    static Status keep_given(GuestThread& t);
    Status let_run(GuestThread& t);
    static void name_interruption(const GuestThread& t, Registers& registers);
    static void name_restarted(const GuestThread& t, Registers& registers);
    static void note_reissued(GuestThread& t, const Registers& registers);
    static void hide_interruption(GuestThread& t, Registers& registers);
    Status run_again(GuestThread& t);  // the guest's kernel issues the call once more, signals first
    // `other` has to be home before it (ReturnHead).
    Status go_home(GuestThread& t, int64_t nr, const std::string& why, HomePid other = HomePid(0));
    Status change_affinity(GuestThread& t, const Row& row);
    Status change_limits(GuestThread& t, const Row& row);
    static void change_memory_limit(GuestProcess& p, uint32_t resource, const rlimit& wanted);

    // -- guest_known.cpp
    std::optional<Status> answer_known(GuestThread& t, const Row& row, const Flattened& flat, const ByteBuffer& question);
    static void keep_known(GuestThread& t, CallInFlight& call, const Reply& reply, bool for_all);
    static void forget_known(GuestThread& t, const Row& row);

    // -- guest_patches.cpp
    Expected<bool> patch_if_hot(GuestThread& t);
    Status patch_if_still(GuestProcess& p);
    Status patch_sites(GuestProcess& p);
    Status tell_patched(const GuestProcess& p);
    void tell_answers(GuestProcess& p);
    static void take_answers_back(GuestProcess& p);
    Status inherit_patches(const GuestThread& parent, GuestThread& child);
    Status change_code(GuestThread& t);
    static Status leave_stub(GuestThread& t);
    static Expected<bool> leave_fault_in_stub(GuestThread& t);
    static Status unpatch(GuestProcess& p);
    static void unpatch_or_say(GuestProcess& p);

    // -- guest_clone.cpp
    Status begin_clone(GuestThread& t);
    Status start_next_clone();
    Status clone_at_home(GuestThread& t);
    Status clone_here(GuestThread& t, HomePid child);
    Status fork_here(GuestThread& t);
    Status clone_event(GuestThread& t, const Stop& stop);
    Status adopt_child(pid_t outer);

    // -- guest_map_file.cpp
    Status map_file(GuestThread& t, const Row& row);
    Status watch_file(GuestThread& t);
    Status reserve_then_map(GuestThread& t);
    Status unmap_and_finish(GuestThread& t, uint64_t address, int64_t result);
    Status map_at_home(GuestThread& t, const Row& row, uint64_t address, bool reserved);
    Status map_here(GuestThread& t, uint64_t address, const Reply& reply);
    Status compare_then_map(GuestThread& t, uint64_t address, const std::shared_ptr<ShownFile>& file);
    Status map_twin(GuestThread& t, uint64_t address, const MapFileInfo& info, std::span<const std::byte> contents);
    Status flush_files();
    Status answer_flush(HomePid pid);
    Status sync_memory(GuestThread& t, const Row& row);

    // -- guest_remap.cpp
    Status remap(GuestThread& t, const Row& row);
    Status make_guards(GuestThread& t, const Row& row);
    Status remap_over_seams(GuestThread& t);
    static Expected<int64_t> remap_pieces(const CallThere& call, const std::array<uint64_t, 6>& a, uint64_t old_size, uint64_t size,
                                          const std::vector<AddressRange>& pieces, uint64_t protection, uint64_t flags);

    // -- guest_signals.cpp
    Status handle_signal_frame(const SignalHead& head);
    Expected<bool> queue_signal(GuestThread& t, const siginfo_t& true_one);
    Status queue_held_signals();
    std::optional<siginfo_t> take_true_info(const GuestThread& t, const siginfo_t& queued);
    Status handle_signal_stop(GuestThread& t, int signal);
    bool has_agent(const GuestProcess& p) const;
    Status leave_vdso_before(GuestThread& t, const siginfo_t& info);
    Status deliver(GuestThread& t, int signal, const siginfo_t& info);
    Status run_handler(GuestThread& t, int signal);
    Status note_handlers_mask(GuestThread& t);
    std::string true_info(const std::string& queued) const;

    // -- guest_mask.cpp
    Status change_mask(GuestThread& t, const Row& row);
    Status change_mask_here(GuestThread& t, bool is_late);
    Status change_mask_at_home(GuestThread& t, const Row* row, uint64_t mask);
    Expected<uint64_t> mask_of(const GuestThread& t) const;

    // -- guest_late_mask.cpp
    Status say_masks_are_late();
    static bool is_late(const GuestThread& t);
    static void note_late(GuestThread& t);
    static void set_home_mask(GuestThread& t, uint64_t mask);
    Status open_masks(GuestThread& t);
    static void close_masks(GuestProcess& p);
    Expected<bool> bring_mask_up_to_date(GuestThread& t);
    Status take_signals_back(GuestThread& t);
    Status take_blocked_signals(GuestThread& t);
    Status queue_at_home(GuestThread& t);
    Status handle_mask_question(const MaskHead& question);
    Status answer_mask_question(GuestThread& t);
    Status return_from_handler(GuestThread& t);
    Status entered_handler(GuestThread& t);
    Status suspend_result(GuestThread& t, int64_t result);
    std::optional<uint64_t> temporary_mask(const GuestThread& t) const;

    // -- guest_arrival.cpp
    Status handle_stream(const Message& message);
    Status handle_arrival(const StreamView& view);
    Status take_image(wire::Image image, bool is_final);
    Status install_memory(const StreamView& view);
    Status start_following();
    Status take_offer(const StreamView& view);
    Status refuse_arrival(const Error& why);

    // -- guest_later.cpp
    Status make_ready_for_later();
    Status start_fetcher();
    Status take_later(const StreamView& view);
    Status expect_later();
    Status take_page_news();
    bool lacks_pages(const GuestProcess& p) const;
    Status when_all_are_there(const GuestThread& t);

    // -- guest_rounds.cpp
    Status begin_round(const StreamView& ask);
    Status refuse_round(HomePid pid);
    Status start_sending(GuestProcess& p, wire::Image layout);
    Status send_some();
    void break_rounds();
    GuestProcess* process_in_round();
    static MemoryFollower& round_follower(GuestProcess& p);

    // -- guest_moves.cpp
    Status arrived();
    Status end_leader(pid_t outer, uint64_t agent_base);
    Status go(const ProcessHead& head);
    Status begin_freeze(GuestProcess& p);
    Status stop_threads(GuestProcess& p);
    Status finish_freeze_if_ready(GuestProcess& p);
    Status send_on_stream(std::span<const std::byte> bytes);
    Status send_image(GuestProcess& p);
    Expected<wire::Image> capture_image(GuestProcess& p);
    // `masks`: of the threads whose signals it has blocked so far.
    Expected<wire::Image> capture_image(GuestProcess& p, std::vector<std::pair<GuestThread*, uint64_t>>& masks);
    Status send_memory(const StreamView& need);
    Status thaw(GuestProcess& p);
    static Status mend_cut_short(GuestThread& t);

    // -- guest_keep.cpp
    void keep_pages(const GuestProcess& p);  // that has gone on: for when it comes again
    void keep_files();

    // -- guest_cpu_clock.cpp
    Status answer_cpu_clock(GuestThread& t, const Row& row);
    std::optional<int64_t> cpu_clock_ns(const GuestThread& t, uint64_t clock_id);
    Status tell_cpu_time(const GuestThread& t);  // before an exec: what it used stays with the process
    static Status limit_cpu(GuestProcess& p);
    static Status change_cpu_limit(GuestProcess& p, uint64_t soft_seconds);
    static void note_cpu_time(const GuestProcess& p, wire::Image& image);  // used away so far

    // -- guest_wall_clock.cpp
    int64_t guest_clock_ns(clockid_t monotonic) const;  // as the guests read it
    static bool is_wall_clock(uint64_t clock_id);
    Status answer_wall_clock(GuestThread& t, const Row& row);
    Status set_wall_clock(GuestThread& t, const Row& row);
    Status ask_clock_if_due();
    Status handle_clock_frame(const ClockHead& head);
    int wait_for_clock_ms() const;

    // -- guest_wall_wait.cpp
    static bool is_wall_wait(Registers registers);  // on a futex: as called, behind its `syscall`
    Status wait_by_wall_clock(GuestThread& t);
    Status begin_wall_wait(GuestThread& t);
    Expected<bool> wall_wait_stop(GuestThread& t, const Stop& stop);
    Status renew_wall_waits();

    // -- guest_tallies.cpp
    Status count_here(GuestThread& t, const Notification& n, int64_t result);
    Status count_at_home(GuestThread& t, const CallInFlight& call, const CallHead& head, size_t reply_bytes, int64_t result);
    Status count_last(GuestThread& t, const Row& row, CallKind kind);
    Status tell_tallies_if_due(GuestProcess& p);
    Status tell_tallies(GuestProcess& p);

    Parts parts_;
    std::unique_ptr<Assist> assist_;
    FileTwins twins_;
    std::optional<Listener> listener_;
    std::map<HomePid, std::unique_ptr<GuestProcess>> processes_;
    std::map<pid_t, GuestThread*> by_outer_;
    std::deque<Notification> early_;  // received while an injection was waited for
    bool children_changed_ = true;    // wait(2) has something to say, maybe
    uint64_t next_call_ = 1;
    static constexpr int64_t kQuickAnswerNs = 200'000;
    bool answers_are_quick_ = false;  // the last one was
    int64_t answer_is_due_ns_ = 0;    // CLOCK_MONOTONIC; 0: none is waited for awake
    bool had_guest_ = false;
    int64_t flushed_ns_ = 0;  // when stores in files were last sent for those who hear nothing of the program
    GuestVdso vdso_;
    // Threads that have set home's clock, and get their results when it is known here.
    std::vector<std::pair<HomePid, HomePid>> waiting_for_clock_;

    struct Arrival {
        wire::Image image;
        std::unique_ptr<GuestBuilder> builder;
        std::unique_ptr<MemoryInstaller> memory;
        std::unique_ptr<MemoryFollower> follower;  // null: pages can't be followed here
        bool is_final = false;                     // the program stands still, and this is all of its image
        PageSet later;                             // what comes when it runs
    };
    std::optional<Arrival> arrival_;
    std::optional<PageLines> page_lines_;  // home is going to keep some of the memory back
    std::unique_ptr<PageFetcher> fetcher_;
    HomePid fetched_for_;
    struct WaitsForPages {
        HomePid pid, tid;
        uint64_t notification;
    };
    std::vector<WaitsForPages> waiting_for_pages_;  // calls that can't be made before
    std::optional<wire::Image> departing_;          // its image has been sent, its memory has not

    // A clone under way: one at a time, since the number of the next task is one for the whole jail.
    struct Cloning {
        GuestThread* parent = nullptr;
        HomePid child;
        uint64_t flags = 0;
        bool is_fork = false;
        Registers original{};  // the parent's, as the program had them
        uint64_t signal_mask = 0;
    };
    std::optional<Cloning> cloning_;
    std::deque<std::pair<HomePid, HomePid>> clone_queue_;
    std::set<pid_t> unclaimed_stops_;

    SignalsFromHome signals_;
    bool masks_late_told_ = false;  // that they may be
};

}  // namespace pmi

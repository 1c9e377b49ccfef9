// Guests as their supervisor sees them. Plain data: what happens to it is in guest_supervisor*.cpp.
#pragma once
#include <signal.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "interpose/marshal/flatten.h"
#include "remote/movers/memory_follower.h"
#include "remote/wire/call_tallies.h"
#include "remote/wire/frames.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/ids.h"
#include "runtime/guest/guest_patches.h"
#include "runtime/guest/known_answers.h"
#include "runtime/guest/notification.h"
#include "runtime/tracee/memory.h"

namespace pmi {

struct GuestProcess;

using ReplyHandler = std::function<Status(const Reply&, const Flattened& sent)>;

// A call that home is working on.
struct CallInFlight {
    uint64_t id = 0;
    CallKind kind = CallKind::Plain;
    const Row* row = nullptr;
    Flattened sent;
    ByteBuffer question;  // as it was sent, if its answer may last
    uint64_t bytes_sent = 0;
    uint64_t changes_before = 0;          // GuestProcess::changes then
    std::optional<uint64_t> mask_before;  // it changes home's mask, which was this
    // What to do with the reply instead of answering with it.
    ReplyHandler then;
    int64_t sent_ns = 0;  // CLOCK_MONOTONIC
};

// An answer that may meet an interruption of the thread's wait for it.
struct GivenAnswer {
    int64_t nr = 0;
    int64_t result = 0;
};

struct GuestThread {
    HomePid tid;
    pid_t outer = 0;  // TID outside the jail
    GuestProcess* process = nullptr;

    std::optional<Notification> notification;  // received, not answered yet
    std::optional<CallInFlight> call;          // forwarded; notification is set too
    bool interrupted = false;                  // a signal or an INTERRUPT of ours is on its way to it
    std::optional<GivenAnswer> given;          // while interrupted: what its next stop has to show
    int64_t cpu_ns_before = 0;                 // CPU time that it used on other nodes
    int64_t cpu_home_ns = 0;                   // and at home, until it left
    KnownAnswers known;
    bool went_home = false;                // its call was forwarded since it was notified
    int64_t began_ns = 0;                  // when it began to wait in its call (this node's CLOCK_MONOTONIC)
    bool signalled = false;                // a signal came from home since the call in flight was sent
    uint64_t transferred = 0;              // bytes, by the call that is to be made again for the rest
    uint64_t home_mask = 0;                // the deputy's signal mask, as home was told last: never more than the thread blocks
    bool mask_is_late = false;             // the thread may block more than that (guest_mask.cpp)
    std::optional<uint64_t> mask_to_tell;  // with its next call
    int asked_signal = 0;                  // home waits to be told whether it blocks this one
    int64_t home_result = 0;               // of the call that home answered last
    bool cut_short = false;                // by a move: -EINTR is not the program's
    // The call that waited when a move interrupted it, until it waits again: a signal that comes before ends it as it would
    // have where it waited.
    struct Reissued {
        int64_t nr = 0, result = 0;  // -ERESTART...
        // A call that no notification tells of is known by these: the second argument of none is a timeout, which changes.
        uint64_t rip = 0, rsi = 0;
        bool is_at(const Registers& r) const { return static_cast<int64_t>(r.rax) == nr && r.rip == rip && r.rsi == rsi; }
    };
    std::optional<Reissued> reissued;
    // It waits on a futex by the wall clock (guest_wall_wait.cpp): its registers before the call, which is to be issued again.
    struct WallWait {
        Registers as_called{};
        bool entered = false;  // the call has begun
    };
    std::optional<WallWait> wall_wait;
    bool restart_is_home = false;  // its restart_syscall belongs to the deputy's restart block
    bool injecting = false;        // its notifications are the supervisor's own calls
    bool wants_home = false;       // waits for the program's return
    // The result of its call, which it gets when the program stands still for its return.
    std::optional<int64_t> held_result;
    bool file_watched = false;  // the shared mmap that it is about to make
    // Places for mmaps of files that it is about to issue again: a handler may run before, and make one of its own.
    struct Reservation {
        std::array<uint64_t, 6> args{};  // of the call
        uint64_t place = 0;
    };
    std::vector<Reservation> reserved_for_maps;
    bool ended = false;    // a leader that has exited while other threads go on
    bool stopped = false;  // held in a ptrace stop
    // What to do at its next ptrace stop, which was asked for; empty: go on (or stay, while frozen).
    std::function<Status()> at_stop;
    // A mask for the time of one call (sigsuspend, ppoll, ...) that a signal has ended: the mask to be put back
    // when its handler returns.
    std::optional<uint64_t> mask_to_restore;
    bool stepping_into_handler = false;
    std::vector<siginfo_t> carried;  // go home as pending signals
};

// Its memory travels while it runs here (guest_rounds.cpp).
struct Departure {
    // Of a move to another node: how far that one is behind. It has nothing to begin with.
    std::unique_ptr<MemoryFollower> to_node;
    bool for_node = false;
    // A round: first its mappings are looked at, which takes long, on a thread of its own; then it is sent in steps.
    std::future<Expected<wire::Image>> looking;
    int64_t flags_read_ns = 0;  // when those of its mappings were
    wire::Image image;
    SendOrder order;
    bool is_sending = false;
    bool is_busy() const { return looking.valid() || is_sending; }
};

struct GuestProcess {
    HomePid pid;
    pid_t outer = 0;
    std::unique_ptr<RemoteMemory> memory;
    std::unique_ptr<MemoryFollower> follower;  // how far home's copy is behind; null: home has none, or none is known of
    std::unique_ptr<Departure> departure;
    wire::Image layout;    // its regions as this kernel shows them, when they were last looked at
    uint64_t changes = 0;  // calls that may have changed what KnownAnswers of its threads are about, begun or ended
    GuestPatches patches;
    CallTallies tallies;  // of its calls, since home was told
    int64_t tallies_told_ns = 0;
    wire::Image image;             // as it came (for a forked child: its parent's); contents of limits, layout, names
    HomePid vfork_parent;          // waits until this child is gone
    bool stores_in_files = false;  // maps a file shared that it can write to
    bool shares_memory = false;    // a vfork child that runs in its parent's memory
    int vfork_children = 0;        // its threads that wait for one can't be stopped
    bool arriving = false;         // until Go, which says that it runs nowhere else
    bool job_stopped = false;
    bool freezing = false;          // asked to stop for a move
    bool freeze_is_wanted = false;  // asked in vain, since a process of it was just being started: it starts no other before
    bool acknowledged = false;
    bool drained = false;           // home has said that nothing more will come
    bool frozen = false;            // the image has been sent
    bool going = false;             // home has been asked to take it
    bool ends_after_clone = false;  // home has said that it is gone; a child of it is still being made
    std::map<HomePid, std::unique_ptr<GuestThread>> threads;

    // A thread that still has the program's memory: the leader, unless it has exited before the others.
    pid_t alive() const {
        if (auto it = threads.find(pid); it != threads.end() && !it->second->ended) return it->second->outer;
        for (const auto& [tid, t] : threads)
            if (!t->ended) return t->outer;
        return outer;
    }
    bool held() const { return arriving || freezing || job_stopped || !patches.waiting.empty(); }
    // No thread runs any of its code.
    bool stands_still() const {
        for (const auto& [tid, t] : threads)
            if (!t->ended && !t->stopped && !t->notification) return false;
        return true;
    }
};

}  // namespace pmi

// Has the deputies perform forwarded calls. Threads: whoever receives calls from a node calls begin(); a thread of
// its own waits for completions and sends the replies; the tracer asks and interrupts. All methods are thread-safe.
// Only that thread of its own waits for nodes that are slow to take replies, and it holds no lock then: a node that is itself
// waiting, for home to take a large call, would else be waited for by whoever is to take it.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "interpose/marshal/call.h"
#include "remote/transport/call_channel.h"
#include "remote/wire/frames.h"
#include "runtime/base/ids.h"
#include "runtime/deputy/agent_region.h"
#include "runtime/deputy/lasting_answers.h"
#include "runtime/deputy/watched_files.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/socket_timeout.h"

namespace pmi {

class CallServer {
  public:
    CallServer(std::shared_ptr<AgentRegion> region, WatchedFiles& files);
    ~CallServer();   // no calls may be begun any more
    Status start();  // before the first call
    AgentRegion& region() const { return *region_; }

    // A deputy thread and the connection that its replies go to. `channel` may change when the guest moves on.
    Status add_thread(HomePid pid, HomePid tid, uint32_t slot);
    void remove_thread(HomePid tid);
    std::optional<uint32_t> slot_of(HomePid tid) const;
    void set_channel(HomePid pid, std::shared_ptr<CallChannel> channel);

    // Error: the frame is wrong (a call of another process's thread, or while one is going on). Never waits for a node. `Watch`:
    // who has nothing else to do looks out for the call's end, if it is one of those that take some microseconds: being woken for
    // it takes longer than the call.
    enum class Watch { No, Yes };
    Status begin(const CallHead& head, Call call, Watch watch = Watch::No);

    struct Progress {
        CallHead head{};
        int64_t nr = -1;
        int64_t began_ns = 0;
        std::optional<CallDeadline> deadline;
    };
    // The call that this thread's deputy has and has not finished.
    std::optional<Progress> in_progress(HomePid tid) const;
    // The deputy maps or unmaps the buffer of this thread's call: that is ours, never waits, and is not to be interrupted.
    // With `cancel`, a call that was to follow is not made any more.
    bool prepares_call(HomePid tid, bool cancel);
    // Its deputy has ended in its call, which had this result.
    void answer(HomePid tid, int64_t result);
    // The call was interrupted and is issued again for the time that is left: it waits from now on.
    void note_issued_again(HomePid tid);
    // The call was stopped half-way and goes on for the rest: its result will be the sum.
    void note_transferred(HomePid tid, uint64_t bytes);
    // The call was stopped half-way by a move: the node is told, which asks for the rest.
    void note_partial(HomePid tid);
    // The deadline of this thread's call in progress.
    void set_deadline(HomePid tid, const CallDeadline& deadline);
    // The same of a call that was interrupted, until it is made again.
    void keep_deadline(HomePid tid, const CallDeadline& deadline);
    std::optional<CallDeadline> kept_deadline(HomePid tid) const;
    struct Due {
        HomePid tid;
        int64_t at_ns = 0;
    };
    std::vector<Due> deadlines_of(HomePid pid) const;  // of calls in progress
    // Runs `work` while no large call has memory of its own in the process, and none gets any. Error EBUSY: one has.
    Status without_large_calls(HomePid pid, const std::function<Status()>& work);
    uint64_t calls_of(HomePid pid) const;  // how many were begun so far
    // A call that is not in progress any more has been answered, but its reply may be on its way to the connection. What has
    // to come behind all replies so far is sent after this.
    void wait_until_sent();
    // Home's wall clock, read now, for a node that has asked. Never waits either; nobody asks again before it is answered.
    void tell_clock(std::shared_ptr<CallChannel> channel, const ClockHead& question);
    WatchedFiles& files() const { return files_; }

  private:
    enum class Stage { Call, MapBuffer, UnmapBuffer };
    struct Work {
        CallHead head{};
        Call call;
        int64_t began_ns = 0, came_ns = 0;
        Stage stage = Stage::Call;
        // What a slot's arena has no room for goes into a larger one; where there is none, or still no room, into memory
        // that the deputy maps for this one call.
        std::optional<AgentRegion::LargeArena> large;
        uint64_t buffer = 0;
        std::optional<Reply> reply;
        uint64_t transferred = 0;
        bool partial = false;
        bool cancelled = false;  // while its buffer was being mapped
        std::optional<CallDeadline> deadline;
    };
    struct Thread {
        HomePid pid;
        uint32_t slot = 0;
        std::optional<Work> work;
        std::optional<CallDeadline> kept;
        bool is_quick = true;  // its last call was
        AddressRange mapped;   // what its last MapFile shows
    };

    // At most one waits of each thread, and one more is being sent: who has not been answered can't call.
    struct Answer {
        std::shared_ptr<CallChannel> channel;
        CallHead head = {};
        Reply reply = {};  // points into an arena; its thread makes no other call before it has been sent
        std::optional<AgentRegion::LargeArena> large = {};
        std::optional<ClockHead> clock = {};  // instead of a reply
    };

    bool has_room_for_clone() const;
    void post(Thread& t, int64_t nr, const std::array<uint64_t, 6>& args);
    void post_call(Thread& t);
    std::span<std::byte> arena_of(const Thread& t) const;
    void look_out(const Slot& slot);
    void run_completions();
    void wake_completions();
    void complete_all();
    void take_completed();
    void send_answers(std::unique_lock<std::mutex>& lock);
    void send_small_answers(std::unique_lock<std::mutex>& lock);
    using Send = std::function<Expected<bool>(CallChannel&, FrameType, std::span<const std::byte>,
                                              const std::vector<std::span<const std::byte>>&)>;
    bool send_first(std::unique_lock<std::mutex>& lock, const Send& send);
    void complete(Thread& t);
    void complete_call(Thread& t, int64_t result);
    void unmap_buffer(Thread& t, Reply reply);
    void add_mapped_file(Thread& t, Reply& reply);
    Reply watch_file(const CallHead& head, const Call& call);
    Expected<Reply> compare_file(const CallHead& head, const Call& call) const;
    bool lasts(const Thread& t, int64_t result);
    void reply(Thread& t, Reply reply, bool home_first = false);

    std::shared_ptr<AgentRegion> region_;
    WatchedFiles& files_;
    mutable std::mutex mutex_;
    std::map<HomePid, Thread> threads_;
    std::map<HomePid, std::shared_ptr<CallChannel>> channels_;
    std::map<HomePid, LastingFacts> facts_;  // since the first call that asks
    std::map<HomePid, uint64_t> calls_;
    std::deque<Answer> answers_;  // to be sent by completions_, or by who looks out
    uint64_t sent_ = 0;           // how many have been; all but these are there or being sent
    bool is_sending_ = false;
    std::condition_variable more_sent_;
    std::atomic<bool> stopping_{false};
    std::thread completions_;  // until start(): none
};

}  // namespace pmi

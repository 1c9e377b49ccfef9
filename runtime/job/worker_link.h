// The job supervisor's end of one worker (runtime/deputy/worker.h): starts it, numbers requests, matches
// replies, hands events on, and says when it is gone.
#pragma once
#include <sys/types.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/control/event_loop.h"
#include "runtime/deputy/worker.h"

namespace pmi::job {

class WorkerLink {
  public:
    using OnReply = std::function<void(const nlohmann::json&)>;
    struct Events {
        std::function<void(WorkerLink&, const nlohmann::json&)> on_event;
        // It has ended (`how` is empty if with status 0) and all its requests are answered; the link may be
        // destroyed inside.
        std::function<void(WorkerLink&, const std::string& how)> on_end;
        // Runs in the new process, before the worker: to let go of what isn't the worker's.
        std::function<void()> in_worker;
    };

    // `setup` without its channel.
    static Expected<std::unique_ptr<WorkerLink>> start(control::EventLoop& loop, WorkerSetup setup, Events events);
    ~WorkerLink();
    WorkerLink(const WorkerLink&) = delete;
    WorkerLink& operator=(const WorkerLink&) = delete;

    // Exactly one reply follows, {"ok":false,...} if the worker ends first.
    void request(nlohmann::json request, OnReply on_reply);
    pid_t pid() const { return pid_; }
    // Handles what it has sent so far.
    void read_packets();

  private:
    WorkerLink(control::EventLoop& loop, Fd channel, pid_t pid, Events events);
    Status watch();
    void on_channel(uint32_t events);
    void write_packets();
    void on_packet(std::string_view packet);
    void on_exit();

    control::EventLoop& loop_;
    Fd channel_;
    bool channel_open_ = true;
    pid_t pid_;
    Fd pidfd_;
    Events events_;
    uint64_t next_id_ = 1;
    std::map<uint64_t, OnReply> pending_;
    std::deque<std::string> out_;
};

}  // namespace pmi::job

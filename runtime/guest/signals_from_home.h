// Signals from home on their way to a guest: queued there with a number of ours, for the kernel lets nobody forge a siginfo
// (rt_sigqueueinfo(2)). One thread.
#pragma once
#include <signal.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/base/ids.h"

namespace pmi {

class SignalsFromHome {
  public:
    uint64_t add(HomePid tid, const siginfo_t& info);  // its number
    std::optional<siginfo_t> find(uint64_t number) const;
    std::optional<siginfo_t> take(uint64_t number, int signal);
    // The oldest one of this signal.
    std::optional<siginfo_t> take_first(HomePid tid, int signal);
    // A timer has one signal pending at a time: what expires again meanwhile is counted in that one (timer_getoverrun(2)).
    bool merge_expiration(HomePid tid, const siginfo_t& info);

    // Those that the node's kernel takes no more of for now, in their order.
    void hold(HomePid tid, const siginfo_t& info) { held_.emplace_back(tid, info); }
    bool holds_any() const { return !held_.empty(); }
    bool holds_for(HomePid tid) const;
    std::optional<std::pair<HomePid, siginfo_t>> next_held() const;
    void drop_next_held() { held_.pop_front(); }
    std::vector<siginfo_t> held_for(HomePid tid) const;

  private:
    struct Queued {
        HomePid tid;
        siginfo_t info;
    };
    std::map<uint64_t, Queued> queued_;
    std::deque<std::pair<HomePid, siginfo_t>> held_;
    uint64_t next_number_ = 1;
};

}  // namespace pmi

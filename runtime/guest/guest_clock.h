// Home's wall clock as the guests of a session see it: the page that their shims read (interpose/vdso/shims.h), and the same
// reckoning for the calls that are notified. Guests count from their CLOCK_MONOTONIC, which is home's; home is asked now
// and then what its wall clock says, since clocks drift and are set. An answer has been given between question and
// receipt: only what differs for certain is corrected, by running a little faster or slower (as adjtime(3) does), or at
// once where it is so much that home's clock must have been set.
#pragma once
#include <cstdint>

#include "interpose/vdso/shims.h"
#include "remote/wire/frames.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

class GuestClock {
  public:
    // The description is a peer's.
    static Expected<GuestClock> create(const wire::HomeClock& home);

    // For guests to map.
    int read_only_fd() const { return read_only_.get(); }
    void set_node_functions(uint64_t clock_gettime, uint64_t getcpu);

    // At an instant of the guests' CLOCK_MONOTONIC.
    int64_t wall_ns(int64_t monotonic_ns) const;
    // When it will be that time, as far as is known now.
    int64_t monotonic_at(int64_t wall_ns, int64_t now_ns) const;
    int64_t tai_sec() const { return page().tai_sec; }
    int32_t minutes_west() const { return page().minutes_west; }
    int32_t dst_time() const { return page().dst_time; }

    // A reading of home's that was asked for at asked_ns and is here at now_ns. True: the clock has been changed.
    bool correct(int64_t asked_ns, int64_t now_ns, int64_t realtime_ns);

    // When home is asked: a few times in a row, of which the quickest answer counts. ask_anew: now, and what has been
    // answered so far does not count.
    void ask_from(int64_t when_ns) { next_ask_ns_ = when_ns; }
    void ask_anew(int64_t now_ns);
    int64_t next_ask_ns() const { return next_ask_ns_; }
    void note_asked() { next_ask_ns_ = INT64_MAX; }
    bool take_answer(const ClockHead& answer, int64_t now_ns);
    bool is_asking() const { return asks_left_ != 0; }
    static constexpr int64_t kAskAgainNs = 10'000'000'000;

  private:
    GuestClock(Mapping page, Fd read_only) : page_(std::move(page)), read_only_(std::move(read_only)) {}
    ClockPage& page() const { return *reinterpret_cast<ClockPage*>(page_.data()); }
    template <typename Change>
    void change(Change make_it);

    Mapping page_;
    Fd read_only_;
    int64_t next_ask_ns_ = INT64_MAX;
    int asks_left_ = 0;
    int64_t not_before_ns_ = 0;  // answers to older questions don't count
    struct Reading {
        int64_t asked_ns = 0, received_ns = INT64_MAX, realtime_ns = 0;
        int64_t trip_ns() const { return received_ns - asked_ns; }
    } best_;
};

}  // namespace pmi

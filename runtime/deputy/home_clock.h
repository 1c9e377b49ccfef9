// What home's wall clock says, for the guests' copy of home's vDSO (interpose/vdso/shims.h).
#pragma once
#include "remote/wire/frames.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

wire::HomeClock read_home_clock();
// The answer to a node that asked at asked_ns of its own.
ClockHead read_wall_clock(int64_t asked_ns);

// Becomes readable when somebody sets this machine's wall clock (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
class ClockSetWatch {
  public:
    static Expected<ClockSetWatch> create();
    int fd() const { return fd_.get(); }
    // True once for each time that it was set.
    Expected<bool> take() const;

  private:
    explicit ClockSetWatch(Fd fd) : fd_(std::move(fd)) {}
    Status arm() const;
    Fd fd_;
};

}  // namespace pmi

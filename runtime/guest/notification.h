// The supervisor's end of seccomp user notification (seccomp_unotify(2)). The filter is installed with
// WAIT_KILLABLE_RECV: a notification that was received stays valid until it is answered or the task dies.
#pragma once
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

// The number here of all calls of another system call ABI (int 0x80): x86-64 has none such.
constexpr int64_t kOtherAbi = 1000;

struct Notification {
    uint64_t id = 0;
    pid_t tid = 0;  // outside the jail
    int64_t nr = 0;
    std::array<uint64_t, 6> args{};
    uint64_t resume = 0;  // behind the instruction that makes the call
};

class Listener {
  public:
    static Expected<Listener> adopt(Fd fd);
    int fd() const { return fd_.get(); }
    // Nothing when none waits any more (its task died).
    Expected<std::optional<Notification>> receive() const;
    // The call's result as the kernel gives it: any negative number is passed as it is, -512.. -516 too (the thread
    // must then be on its way into a ptrace stop or have a signal pending, so that the kernel acts on them).
    // A task that died meanwhile is no error.
    Status answer(uint64_t id, int64_t result) const;
    // Lets the guest's own kernel perform the call.
    Status let_run(uint64_t id) const;
    // Puts `fd` into the guest's table; returns its number there.
    Expected<int> add_fd(uint64_t id, int fd) const;

  private:
    explicit Listener(Fd fd) : fd_(std::move(fd)) {}
    Status send(uint64_t id, int64_t value, int error, uint32_t flags) const;
    Fd fd_;
};

}  // namespace pmi

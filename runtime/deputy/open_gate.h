// Holds up other processes that open a file in which a program stores through a mapping while it is away: what they map next
// would be another memory than the program's. They go on when it is home, or after 5 s: a program that can't come home sooner,
// since its node can't be reached, say, must not hold up others for ever.
// Two ways: fanotify_gate.h where it is permitted, else lease_gate.h. If this process ends, whoever waits goes on.
// Thread-safe; a thread of its own waits for what the kernel tells, so that any other may open such files.
#pragma once
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/base/error.h"

namespace pmi {

class OpenGate {
  public:
    // Whether this process has to wait for the file; asked by the gate's own thread. `opener` is 0 where nobody tells who it is.
    using MustWait = std::function<bool(pid_t opener, const struct stat& file)>;
    static Expected<std::unique_ptr<OpenGate>> create(MustWait must_wait);
    virtual ~OpenGate() = default;

    // Error: others could open the file, or have it open already, and nothing would hold them up.
    virtual Status guard(int file) = 0;
    virtual void unguard(int file) = 0;  // whoever waits for it goes on
    // It takes the open file description that the program itself has, not another one of the same file.
    virtual bool wants_programs_own() const = 0;

  protected:
    static constexpr int64_t kLongestWaitNs = 5'000'000'000;
    static constexpr int kLookEveryMs = 500;
};

}  // namespace pmi

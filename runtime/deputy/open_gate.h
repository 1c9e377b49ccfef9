// Holds up other processes that open a file in which a program stores through a mapping while it is away: what they map next
// would be another memory than the program's. They go on when it is home. fanotify(7), permission events: needs CAP_SYS_ADMIN
// and a kernel with CONFIG_FANOTIFY_ACCESS_PERMISSIONS. If this process ends, the kernel lets them go on.
// Thread-safe; a thread of its own answers the kernel, so that any other may open such files.
#pragma once
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/base/fd.h"

namespace pmi {

class OpenGate {
  public:
    // Whether this process has to wait for the file; asked by the gate's own thread.
    using MustWait = std::function<bool(pid_t opener, const struct stat& file)>;
    static std::unique_ptr<OpenGate> create(MustWait must_wait);  // null: not permitted
    ~OpenGate();

    void guard(int file);
    void unguard(int file);  // whoever waits for it goes on

  private:
    struct Waiting {
        Fd event;  // its file, as the kernel names it in the answer
        struct stat file {};
        int64_t until_ns = 0;
    };
    OpenGate(Fd events, Fd stop, MustWait must_wait);
    void run();
    void take_events();
    void let_in(const std::function<bool(const Waiting&)>& which);

    Fd events_, stop_;
    MustWait must_wait_;
    std::mutex mutex_;
    std::vector<Waiting> waiting_;
    std::thread thread_;
};

}  // namespace pmi

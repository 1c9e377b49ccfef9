// The jail that guests of one session live in: own user, pid, mount (an empty root), net, ipc, uts, time and cgroup
// namespaces (namespaces(7), time_namespaces(7)). Its init (PID 1 there) is ours: it starts guests, sets the number
// that the next task gets, and reaps. When the jail object goes, init and with it everything inside dies.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/base/ids.h"

namespace pmi {

struct JailCommand;

// What guests find inside of their home.
struct JailFurniture {
    int64_t monotonic_offset_ns = 0;  // inside minus outside
    int64_t boottime_offset_ns = 0;
    std::string hostname;
};

class Jail {
  public:
    // `cgroups`: directories of the groups (guest_cgroups.h) that all inside belongs to. It can be made before anybody is known
    // who will live in it. Must be called while this process has one thread (user namespaces; unshare(2)).
    static Expected<Jail> create(const std::vector<std::string>& cgroups);
    Jail(Jail&&) = default;
    Jail& operator=(Jail&&) = delete;
    ~Jail();

    // Once, before the first guest: a time namespace keeps its clocks once somebody has entered it.
    Status furnish(const JailFurniture& furniture);

    struct Spawned {
        pid_t outer = 0;  // the guest's PID outside
        Fd pidfd;
        Fd start;  // closing it lets the guest exec `program`; until then it waits
    };
    // Starts a guest whose PID inside is `pid`: it execs `program` (an ELF in a memfd) with no arguments, no
    // environment, no capabilities, no_new_privs, and `fds` as its fds 0, 1, 2, ...
    Expected<Spawned> spawn(HomePid pid, int program, const std::vector<int>& fds);
    // The next task made inside gets this number.
    Status set_next_pid(HomePid pid);

  private:
    Status ask(const JailCommand& command);
    Jail(Fd command, pid_t launcher) : command_(std::move(command)), launcher_(launcher) {}
    Fd command_;  // SOCK_SEQPACKET to init
    pid_t launcher_;
};

}  // namespace pmi

// Builds a guest from an image: a stub in the jail, its address space emptied and laid out anew, its threads, then (when the
// memory has arrived) their state, and the seccomp filter.
#pragma once
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "kernel-assist/assist.h"
#include "remote/jail/jail.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/guest/file_twins.h"
#include "runtime/guest/guest_clock.h"
#include "runtime/guest/guest_vdso.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/dirty_tracking.h"
#include "runtime/memory/region_plan.h"
#include "runtime/memory/userfault.h"

namespace pmi {

class GuestBuilder {
  public:
    GuestBuilder(Jail& jail, const wire::Image& image, FileTwins& twins, GuestClock& clock, Assist& assist, StopWaiter& waiter)
        : jail_(jail), image_(image), twins_(twins), clock_(clock), assist_(assist), waiter_(waiter) {}

    // Spawns the stub and lays out its address space; afterwards memory can be written.
    Status lay_out();
    // The image is another one now: the address space is made what it has become since `before`. What is new is empty.
    Status reshape(const wire::Image& before);
    // These pages show zeros again, or their file.
    Status drop(const std::vector<AddressRange>& ranges);
    Expected<DirtyTracking> start_tracking();
    // One that can tell of missing pages too.
    Expected<UserFault> make_userfault(UserFault::Track track);
    // Threads, and what holds for all of them. Needs the final image, but none of its memory, which is still on its way.
    Status make_tasks();
    // State of each thread, filter. Everything is stopped then; returns the notification listener.
    Expected<Fd> finish();

    pid_t outer() const { return outer_; }
    const std::map<HomePid, pid_t>& threads() const { return threads_; }  // home's TID -> TID outside the jail
    // The listener's number in the guest, to be closed there once notifications are served.
    int guest_listener() const { return guest_listener_; }
    const GuestVdso& vdso() const { return vdso_; }
    AgentPlace agent() const { return {image_.agent_base(), image_.agent_base() + kAgentData}; }

  private:
    Status start_stub();
    Status clear_address_space();
    Status move_vdso(const std::vector<MapsEntry>& maps);
    Status reserve_agent_place();
    Status find_node_functions();
    Status place_home_vdso();
    Status map_regions();
    using FileKey = std::tuple<uint64_t, uint64_t, bool>;  // device, inode, read-only
    FileKey key_of(const wire::Region& r) const;
    uint64_t fd_for(const wire::Region& r) const;
    int twin_fd_for(const wire::Region& r) const;
    Status pass_new_files();
    Status apply(const RegionPlan& plan);
    Status set_limits() const;
    Status lock_regions();
    Status make_threads();
    Expected<pid_t> make_thread(HomePid tid);
    Expected<Fd> install_filter();

    Jail& jail_;
    const wire::Image& image_;
    FileTwins& twins_;
    GuestClock& clock_;
    Assist& assist_;
    StopWaiter& waiter_;
    pid_t outer_ = 0;
    Fd pidfd_;
    int guest_listener_ = -1;
    uint64_t clock_fd_ = 0;                 // the clocks' page, in the stub
    std::optional<uint64_t> faults_there_;  // /dev/userfaultfd, in the stub; none: it can't be opened here
    GuestVdso vdso_;
    std::map<FileKey, uint64_t> stub_fds_;  // twins in the stub, by descriptor; read-only ones for shared mappings that stay so
    Fd line_;                               // carries descriptors of further twins to the stub
    uint64_t line_there_ = 0;
    std::map<HomePid, pid_t> threads_;
};

}  // namespace pmi

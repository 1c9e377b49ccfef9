// Guests in cgroups of their own (cgroups(7)): what each may take of the node's memory, CPUs and process numbers. Version 2
// where it has the controllers, version 1 controllers elsewhere; pmid needs to be allowed to make groups below its own: as
// root, or where they have been delegated to it.
//   OWN GROUP/pmid-PID          of this pmid, held by flock(2), so that what a killed one left is known and removed
//   OWN GROUP/pmid-PID/guest-N  of one session: its jail, with all that runs in it
//   OWN GROUP/pmid-PID/self     version 2 only: pmid itself, since a group with children may hold no process
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "remote/jail/guest_limits.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

// The group of one session: a directory in every hierarchy that has one of the controllers.
using GuestGroup = std::vector<std::string>;

struct CgroupHierarchy {
    std::string own;                       // directory of this process's group
    std::vector<std::string> controllers;  // those of `wanted` that it has
    bool is_v2 = false;
};
// From the texts of /proc/self/cgroup and /proc/self/mountinfo; version 2's controllers are taken to be all.
std::vector<CgroupHierarchy> find_hierarchies(std::string_view cgroup, std::string_view mountinfo,
                                              const std::vector<std::string>& wanted);
// What has to be written to which file of a group for these limits, in order.
struct CgroupSetting {
    std::string file, value;
    bool is_needed = true;  // else only where there is such a file
};
std::vector<CgroupSetting> settings_of(const GuestLimits& limits, const std::string& controller, bool is_v2);

class GuestCgroups {
  public:
    // Never fails: where there can be no groups, why_not() says why, in one line. Without limits there are none.
    static GuestCgroups create(const GuestLimits& limits);
    GuestCgroups(GuestCgroups&&) = default;
    GuestCgroups& operator=(GuestCgroups&&) = default;
    ~GuestCgroups();  // waits, for 2 s at most, for tasks that are ending

    // "memory, cpu, pids (version 1)", or empty.
    const std::string& shown() const { return shown_; }
    const std::string& why_not() const { return why_not_; }

    // No directories where there can be no groups.
    Expected<GuestGroup> make();
    // Tasks that are just ending keep a group in place: it is tried again with the next one.
    void remove(GuestGroup group);

  private:
    explicit GuestCgroups(const GuestLimits& limits) : limits_(limits) {}
    Status set_up();
    Status own_group(const CgroupHierarchy& hierarchy);
    void remove_left_over(const std::string& parent);
    Status make_one(const std::string& directory, const CgroupHierarchy& own) const;
    void remove_waiting();
    void remove_own();

    struct Own {
        CgroupHierarchy group;
        Fd lock;
    };
    GuestLimits limits_;
    std::string shown_, why_not_;
    std::vector<Own> own_;
    std::vector<std::string> waiting_;  // to be removed
    uint64_t next_ = 1;
};

// The groups whose limits a new task of the jail meets: the jail's and, where it has none of its own, this process's, and all
// around them.
GuestGroup groups_of_tasks(const GuestGroup& jail);
// Whether one more task may be made in these. Tasks of others may come and go meanwhile, so ask while nobody else makes any.
bool has_room_for_task(const GuestGroup& group);
// How many tasks of the group the kernel has killed because its memory was used up.
uint64_t killed_for_memory(const GuestGroup& group);

}  // namespace pmi

// pmictl's view of this user's jobs: their control sockets, and which of them a process belongs to.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/control/client.h"

namespace pmi::ctl {

// Live jobs. `control`: that socket alone. Stale sockets of ours are skipped and removed.
Expected<std::vector<control::ControlClient>> connect_to_jobs(const std::optional<std::string>& control);
// The job of the process with this PID. One that was started less than 2 s ago may yet become pmirun: then this waits.
Expected<control::ControlClient> find_job_of(pid_t pid, const std::optional<std::string>& control);

}  // namespace pmi::ctl

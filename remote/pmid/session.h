// A guest session as pmid sees it: a child process that prepares itself, is given its work, reports once, and later ends. One
// that has no work yet is a spare.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "remote/jail/guest_cgroups.h"
#include "remote/pmid/session_setup.h"
#include "remote/transport/deadline.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

constexpr int kReportTimeoutMs = 5000;

class Session {
  public:
    // Starts the process. `setup.guest`'s descriptor and `setup.pmid` are filled in here.
    static Expected<Session> spawn(SessionSetup setup);
    // From here on it is expected to report. `pages`: -1 for none.
    Status give_work(const std::string& request, int pages);
    bool is_spare() const { return is_spare_; }

    // For whom it is.
    std::string client, peer, program;
    uint64_t request_id = 0;
    uint64_t memory = 0;  // bytes promised
    GuestGroup group;

    pid_t pid() const { return pid_; }
    bool reporting() const { return !is_spare_ && report_.valid(); }
    int report_fd() const { return report_.get(); }
    const Deadline& report_deadline() const { return report_deadline_; }
    // Reads what is there: the reply when it is whole; nothing when more has to come; an error when none
    // will.
    Expected<std::optional<wire::Reply>> read_report();
    void close_report() { report_.reset(); }
    void kill_group(int signal) const;

  private:
    Session(pid_t pid, Fd report) : pid_(pid), report_(std::move(report)) {}

    pid_t pid_;
    Fd report_;  // the socket
    std::string received_;
    Deadline report_deadline_{kReportTimeoutMs};
    bool is_spare_ = true;
};

// "exited with status 1", "killed by signal 9".
std::string show_wait_status(int status);

}  // namespace pmi

// What pmirun's standby hands to pmi-supervisor on its command line. Not for people: both ends are of one
// build.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi::job {

struct SupervisorOptions {
    int listener = -1, pidfd = -1;
    int summary = -1;          // where to write it at the end; -1: nowhere
    std::vector<int> clients;  // connections that are already accepted
    pid_t program = 0;
    std::string socket;                   // its first name, which is PMI_JOB to the processes of the job
    std::string socket_now, socket_link;  // its name, if that is another one by now; the link to it, with one of the user's own
    std::string stderr_file;              // regular_file_identity() of what pmirun's descriptor 2 was
    std::string name, node, keys, log, log_level = "info";
    bool insecure = false, away = false, trap_signals = false, io_uring_denied = false, free_home_memory = false;
};

Expected<SupervisorOptions> parse_supervisor_options(int argc, char** argv);

}  // namespace pmi::job

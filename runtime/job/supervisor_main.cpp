// pmi-supervisor: takes over from pmirun's standby (runtime/pmirun/standby.h) when somebody wants something
// of a job. It inherits the listening control socket, PROGRAM's pidfd and the connections, serves until no
// process of the job is left, and removes the socket.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "runtime/base/log.h"
#include "runtime/control/socket_names.h"
#include "runtime/job/job.h"
#include "runtime/job/summary.h"
#include "runtime/job/supervisor_log.h"

namespace {

using namespace pmi;
using namespace pmi::job;

// Standby has cleaned the environment's strings in place; the job's own mark must not reach workers either.
void prepare_process() {
    ::prctl(PR_SET_NAME, "pmi-supervisor");
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // the program's limit on file sizes may be ours too, and must not kill us
    ::unsetenv("PMI_JOB");
    ::unsetenv("LD_PRELOAD");
    ::umask(077);
}

// To be gone before the listener is closed: a name that nobody listens on is free for the next job, whose socket this would be.
struct NamesOfJob {
    explicit NamesOfJob(const SupervisorOptions& o) : names(o.socket_now.empty() ? o.socket : o.socket_now, o.socket_link) {}
    ~NamesOfJob() { names.remove(); }
    control::SocketNames names;
};

Status supervise(const SupervisorOptions& options) {
    TRY_ASSIGN(auto loop, control::EventLoop::create());
    Job job(*loop, options);
    NamesOfJob socket(options);
    TRY(job.start());
    std::function<void()> look = [&] {
        if (Fd again = socket.names.renew(); again.valid()) job.listen_at(std::move(again));
        loop->after(control::kLookForNames, look);
    };
    look();
    loop->run();
    job.flush();
    if (options.summary >= 0) write_summary(options.summary, job.summary());
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    auto options = parse_supervisor_options(argc, argv);
    if (!options) {
        std::fprintf(stderr, "pmi-supervisor: %s\n", options.error().message().c_str());
        return 125;
    }
    prepare_process();
    start_log("supervisor", *options);
    auto status = supervise(*options);
    if (!status) spdlog::error("{}", status.error().message());
    return status ? 0 : 1;
}

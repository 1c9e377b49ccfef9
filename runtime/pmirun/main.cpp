// pmirun: starts PROGRAM so that it can move. In order: read the options; make the job's control socket;
// leave a supervisor behind, listening on it; let that supervisor attach later; become PROGRAM. After the
// last step nothing of pmirun is left in this process: same PID, parent, group, session, descriptors, signals
// as without it.
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>

#include "runtime/base/escaped.h"
#include "runtime/base/output_end.h"
#include "runtime/pmirun/control_socket.h"
#include "runtime/pmirun/environment.h"
#include "runtime/pmirun/held_signals.h"
#include "runtime/pmirun/installation.h"
#include "runtime/pmirun/io_uring_filter.h"
#include "runtime/pmirun/options.h"
#include "runtime/pmirun/program.h"
#include "runtime/pmirun/standby.h"

namespace pmi::launch {
namespace {

int complain(int status, const std::string& what) {
    std::string line = "pmirun: " + escaped(what) + "\n";
    (void)!::write(STDERR_FILENO, line.data(), line.size());
    return status;
}

int launch(const Options& options, const HeldSignals& held, char** argv) {
    if (options.summary && ::fcntl(STDERR_FILENO, F_GETFD) < 0) return complain(kExitLauncherFailed, "--summary: stderr is closed");
    auto socket = make_control_socket(options.control);
    if (!socket) return complain(kExitLauncherFailed, socket.error().message());
    std::string preload = options.preload ? find_preload_library() : "";
    if (preload.find_first_of(" :") != std::string::npos) {
        complain(0, preload + ": a name with a space or colon in it can't be preloaded; going on as with --no-preload");
        preload.clear();
    }
    std::vector<std::string> environment = program_environment(environ, options, preload, socket->names.path(), kernel_has_yama());
    auto supervisor = start_supervisor(options, *socket, argv, environ);
    auto give_up = [&](int status, const std::string& why) {
        if (supervisor) supervisor->dismiss();
        socket->names.remove();
        return complain(status, why);
    };
    if (!supervisor) return give_up(kExitLauncherFailed, supervisor.error().message());

    // For Yama; over the exec the preload library says it again. Where there is no Yama it fails, harmlessly.
    ::prctl(PR_SET_PTRACER, supervisor->pid, 0, 0, 0);
    if (!options.allow_io_uring)
        if (auto denied = deny_io_uring(); !denied) return give_up(kExitLauncherFailed, denied.error().message());

    bool are_answered = !preload.empty() && obeys_preload(options.program[0]);
    if (are_answered && !held.note().empty())
        environment.push_back(std::string(kHeldVariable) + "=" + held.note());
    else
        held.let_go();
    int error = become_program(options.program, environment);
    return give_up(exit_status_for(error), std::string(options.program[0]) + ": " + std::strerror(error));
}

}  // namespace
}  // namespace pmi::launch

int main(int argc, char** argv) {
    using namespace pmi::launch;
    HeldSignals held;
    auto options = parse_options(argc, argv);
    if (!options) return complain(kExitLauncherFailed, options.error().message());
    switch (options->action) {
        case Action::ShowHelp: ::fputs(help_text(), stdout); return pmi::end_output("pmirun", 0);
        case Action::ShowVersion: ::puts("pmirun " PMI_VERSION); return pmi::end_output("pmirun", 0);
        case Action::Run: break;
    }
    if (options->insecure)
        complain(0, "--insecure: what this program sends to other machines is neither encrypted nor authenticated");
    return launch(*options, held, argv);
}

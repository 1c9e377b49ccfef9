#include "remote/pmid/guest_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "remote/pmid/session_setup.h"
#include "runtime/base/log.h"
#include "runtime/guest/guest_session.h"

namespace pmi {

namespace {

int give_up(const std::string& why) {
    std::fprintf(stderr, "pmid: %s\n", why.c_str());
    return 1;
}

}  // namespace

int guest_process_main(const char* fd_text) {
    if (std::strcmp(fd_text, "3") != 0) return give_up("--guest-session is for pmid itself");
    // No program stays on a node whose pmid is gone: nobody would count it or end it.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return give_up("guest session: PR_SET_PDEATHSIG");
    ::prctl(PR_SET_NAME, "pmid-standby");
    auto received = receive_session_setup(kSessionLineFd);
    if (!received) return give_up(received.error().message());
    if (!*received) return 0;
    const SessionSetup& setup = **received;
    if (::getppid() != setup.pmid) return give_up("guest session: pmid is gone");  // it may have been before the prctl
    ::close(kSessionLineFd);
    ::prctl(PR_SET_NAME, "pmid-session");
    auto logging = set_up_log("session " + setup.guest.node_name, setup.log_file, setup.log_level);
    if (!logging) return give_up(logging.error().message());
    return run_guest_session(setup.guest);
}

}  // namespace pmi

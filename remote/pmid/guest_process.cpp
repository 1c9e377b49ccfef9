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

// No program stays on a node whose pmid is gone: nobody would count it or end it.
bool end_with_parent(int parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
    return ::getppid() == parent;  // it may have died before the prctl
}

}  // namespace

int guest_process_main(const char* fd_text) {
    if (std::strcmp(fd_text, "3") != 0) return give_up("--guest-session is for pmid itself");
    auto setup = read_session_setup(kSessionSetupFd);
    if (!setup) return give_up(setup.error().message());
    if (!end_with_parent(setup->pmid)) return give_up("guest session: pmid is gone");
    ::close(kSessionSetupFd);
    ::prctl(PR_SET_NAME, "pmid-spare");
    auto logging = set_up_log("session " + setup->guest.node_name, setup->log_file, setup->log_level);
    if (!logging) return give_up(logging.error().message());
    auto session = GuestSession::prepare(std::move(setup->guest));
    auto order = receive_order(kSessionSocket);
    if (!order) return give_up(order.error().message());
    ::prctl(PR_SET_NAME, "pmid-session");
    return session.run(std::move(*order));
}

}  // namespace pmi

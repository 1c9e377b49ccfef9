// What `pmid --guest-session FD` runs: one guest session, and nothing of the daemon.
#pragma once

namespace pmi {

constexpr int kSessionSetupFd = 3;
constexpr int kSessionSocket = 4;  // its work comes here, and its report goes back

int guest_process_main(const char* fd_text);

}  // namespace pmi

// What `pmid --guest-session FD` runs: one guest session, and nothing of the daemon.
#pragma once

namespace pmi {

constexpr int kSessionSetupFd = 3;
constexpr int kSessionReportFd = 4;
constexpr int kSessionPagesFd = 5;  // where there are any

int guest_process_main(const char* fd_text);

}  // namespace pmi

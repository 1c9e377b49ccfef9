// What runs inside: the launcher, which makes the namespaces, and init. Between the two ends of the socket: packets.
#pragma once
#include <cstdint>
#include <string>

namespace pmi {

constexpr size_t kMaxJailFds = 250;  // SCM_MAX_FD is 253

struct JailCommand {
    enum class Kind : int32_t { IdsMapped, Spawn, SetNextPid } kind;
    int32_t pid;
    int32_t fds;
};
struct JailReply {
    int32_t error;  // errno, 0: done
    char step[60];  // what failed
};

// In the child that becomes the launcher; `socket` is its end. Never returns.
// The offsets are to be added to the clocks as this process sees them.
struct JailSetup;
// This process belongs to the group from now on. System calls only.
void enter_cgroup(int socket, const char* directory);
[[noreturn]] void run_jail_launcher(int socket, const JailSetup& setup);

}  // namespace pmi

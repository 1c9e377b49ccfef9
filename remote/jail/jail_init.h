// What runs inside: the launcher, which makes the namespaces, and init. Between the two ends of the socket: packets.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace pmi {

constexpr size_t kMaxJailFds = 250;      // SCM_MAX_FD is 253
constexpr size_t kMaxJailHostname = 64;  // sethostname(2)

struct JailCommand {
    enum class Kind : int32_t { IdsMapped, Furnish, Spawn, SetNextPid } kind = Kind::IdsMapped;
    int32_t pid = 0;
    int32_t fds = 0;
    // Furnish: to be added to the clocks as init sees them.
    int64_t monotonic_offset_ns = 0;
    int64_t boottime_offset_ns = 0;
    char hostname[kMaxJailHostname + 1] = "";
};
struct JailReply {
    int32_t error;  // errno, 0: done
    char step[60];  // what failed
};

// This process belongs to the group from now on. System calls only.
void enter_cgroup(int socket, const char* directory);
// In the child that becomes the launcher; `socket` is its end. Never returns.
[[noreturn]] void run_jail_launcher(int socket, const std::vector<std::string>& cgroups);

}  // namespace pmi

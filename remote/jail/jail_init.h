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
[[noreturn]] void run_jail_launcher(int socket, int64_t monotonic_offset_ns, int64_t boottime_offset_ns,
                                    const std::string& hostname);

}  // namespace pmi

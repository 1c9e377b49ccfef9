#include "runtime/deputy/thread_credentials.h"

#include <fmt/format.h>

#include <sstream>

#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

// The lines of /proc/PID/task/TID/status that say it; empty: the thread has ended.
std::string credentials_of(pid_t pid, pid_t tid) {
    auto text = read_file(fmt::format("/proc/{}/task/{}/status", pid, tid));
    std::istringstream in(text.value_or(""));
    std::string line, credentials;
    while (std::getline(in, line))
        if (line.starts_with("Uid:") || line.starts_with("Gid:") || line.starts_with("Groups:")) credentials += line + "\n";
    return credentials;
}

}  // namespace

bool same_credentials(HomePid pid) {
    auto threads = list_threads(pid.value);
    std::string common;
    for (pid_t tid : threads.value_or({})) {
        std::string its = credentials_of(pid.value, tid);
        if (its.empty()) continue;
        if (common.empty()) common = its;
        if (its != common) return false;
    }
    return !common.empty();
}

}  // namespace pmi

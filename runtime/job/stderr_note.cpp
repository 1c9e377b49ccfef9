#include "runtime/job/stderr_note.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/file_identity.h"
#include "runtime/kernel/descriptor_copy.h"
#include "runtime/kernel/line_output.h"
#include "runtime/kernel/procfs.h"

namespace pmi::job {
namespace {

Fd reopen(const std::string& target) {
    if (target.empty() || target[0] != '/') return {};
    struct stat st {};
    if (::stat(target.c_str(), &st) != 0 || !(S_ISCHR(st.st_mode) || S_ISREG(st.st_mode))) return {};
    return Fd(::open(target.c_str(), O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
}

// A pipe or socket has no name to open: somebody who has it open for writing is needed.
Fd borrow(const std::string& target) {
    auto pids = list_processes();
    if (!pids || target.empty()) return {};
    for (pid_t pid : *pids)
        for (int number : {2, 1}) {
            if (link_target(fmt::format("/proc/{}/fd/{}", pid, number)) != target) continue;
            Fd fd = copy_of_fd(pid, number);
            if (fd.valid() && (::fcntl(fd.get(), F_GETFL) & O_ACCMODE) != O_RDONLY) return fd;
        }
    return {};
}

}  // namespace

std::string stderr_target(pid_t pid) { return link_target(fmt::format("/proc/{}/fd/2", pid)); }

bool note_on_stderr(pid_t pid, const std::string& target, const std::optional<std::string>& file, const std::string& text) {
    std::string line = "pmi: " + text + "\n";
    Fd fd = copy_of_fd(pid, 2);
    std::string it_is = fd.valid() ? regular_file_identity(fd.get()) : "";
    if (file && !it_is.empty() && it_is != *file) return false;
    if (!fd.valid()) fd = reopen(target);
    if (!fd.valid()) fd = borrow(target);
    return fd.valid() && write_line(fd.get(), line);
}

}  // namespace pmi::job

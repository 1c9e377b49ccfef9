#include "runtime/kernel/descriptor_copy.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/kernel/procfs.h"

namespace pmi {

Fd copy_of_fd(pid_t tid, int fd) {
    constexpr unsigned kPidfdThread = O_EXCL;
    Fd task(static_cast<int>(::syscall(SYS_pidfd_open, tid, kPidfdThread)));
    if (!task.valid()) {
        auto status = read_status(tid);
        if (status) task.reset(static_cast<int>(::syscall(SYS_pidfd_open, status->tgid, 0)));
    }
    return Fd(task.valid() ? static_cast<int>(::syscall(SYS_pidfd_getfd, task.get(), fd, 0)) : -1);
}

}  // namespace pmi

// Another process's descriptor as one of ours: the same open file description, pidfd_getfd(2).
#pragma once
#include <sys/types.h>

#include "runtime/base/fd.h"

namespace pmi {

// Of the thread `tid`. Invalid, with errno, where that may not be done or there is no such descriptor. A process whose main thread
// has ended can be asked from Linux 6.9 on only.
Fd copy_of_fd(pid_t tid, int fd);

}  // namespace pmi

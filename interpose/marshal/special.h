// Calls whose row has ArgKind::Special: each has a function that marshals those arguments; the others are
// moved as the row says before it is asked.
#pragma once
#include "interpose/marshal/gather.h"

namespace pmi {

using SpecialMarshaller = void (*)(Gather&);

// Null where the call has none.
SpecialMarshaller special_marshaller(int nr);

// By the file they stand in.
void marshal_execve(Gather& gather);
void marshal_execveat(Gather& gather);
void marshal_fcntl(Gather& gather);
void marshal_ioctl(Gather& gather);
void marshal_name_to_handle_at(Gather& gather);
void marshal_open_by_handle_at(Gather& gather);
void marshal_setxattrat(Gather& gather);
void marshal_getxattrat(Gather& gather);
void marshal_sysfs(Gather& gather);
void marshal_mount(Gather& gather);
void marshal_fsconfig(Gather& gather);
void marshal_quotactl(Gather& gather);
void marshal_quotactl_fd(Gather& gather);
void marshal_reboot(Gather& gather);
void marshal_semctl(Gather& gather);
void marshal_shmctl(Gather& gather);
void marshal_msgctl(Gather& gather);
void marshal_msgsnd(Gather& gather);
void marshal_msgrcv(Gather& gather);
void marshal_mq_open(Gather& gather);
void marshal_mq_notify(Gather& gather);
void marshal_keyctl(Gather& gather);
void marshal_sendto(Gather& gather);
void marshal_sendmsg(Gather& gather);
void marshal_recvmsg(Gather& gather);
void marshal_sendmmsg(Gather& gather);
void marshal_recvmmsg(Gather& gather);
void marshal_setsockopt(Gather& gather);
void marshal_getsockopt(Gather& gather);
void marshal_prctl(Gather& gather);
void marshal_select(Gather& gather);
void marshal_pselect6(Gather& gather);
void marshal_epoll_wait(Gather& gather);
void marshal_epoll_ctl(Gather& gather);
void marshal_capget(Gather& gather);
void marshal_capset(Gather& gather);
void marshal_personality(Gather& gather);
void marshal_sched_setattr(Gather& gather);
void marshal_timer_on_clock(Gather& gather);

}  // namespace pmi

#include "interpose/marshal/special.h"

#include <sys/syscall.h>

namespace pmi {
namespace {

// Newer than the oldest user-land headers that pmi builds with.
constexpr int kSetxattrat = 463;
constexpr int kGetxattrat = 464;

struct Special {
    int nr;
    SpecialMarshaller marshal;
};

constexpr Special kSpecials[] = {
    {SYS_execve, marshal_execve},
    {SYS_execveat, marshal_execveat},
    {SYS_fcntl, marshal_fcntl},
    {SYS_ioctl, marshal_ioctl},
    {SYS_name_to_handle_at, marshal_name_to_handle_at},
    {SYS_open_by_handle_at, marshal_open_by_handle_at},
    {kSetxattrat, marshal_setxattrat},
    {kGetxattrat, marshal_getxattrat},
    {SYS_sysfs, marshal_sysfs},
    {SYS_mount, marshal_mount},
    {SYS_fsconfig, marshal_fsconfig},
    {SYS_quotactl, marshal_quotactl},
    {SYS_quotactl_fd, marshal_quotactl_fd},
    {SYS_reboot, marshal_reboot},
    {SYS_semctl, marshal_semctl},
    {SYS_shmctl, marshal_shmctl},
    {SYS_msgctl, marshal_msgctl},
    {SYS_msgsnd, marshal_msgsnd},
    {SYS_msgrcv, marshal_msgrcv},
    {SYS_mq_open, marshal_mq_open},
    {SYS_mq_notify, marshal_mq_notify},
    {SYS_keyctl, marshal_keyctl},
    {SYS_sendto, marshal_sendto},
    {SYS_sendmsg, marshal_sendmsg},
    {SYS_recvmsg, marshal_recvmsg},
    {SYS_sendmmsg, marshal_sendmmsg},
    {SYS_recvmmsg, marshal_recvmmsg},
    {SYS_setsockopt, marshal_setsockopt},
    {SYS_getsockopt, marshal_getsockopt},
    {SYS_prctl, marshal_prctl},
    {SYS_select, marshal_select},
    {SYS_pselect6, marshal_pselect6},
    {SYS_epoll_wait, marshal_epoll_wait},
    {SYS_epoll_pwait, marshal_epoll_wait},
    {SYS_epoll_pwait2, marshal_epoll_wait},
    {SYS_epoll_ctl, marshal_epoll_ctl},
    {SYS_capget, marshal_capget},
    {SYS_capset, marshal_capset},
    {SYS_personality, marshal_personality},
    {SYS_sched_setattr, marshal_sched_setattr},
    {SYS_timer_create, marshal_timer_on_clock},
    {SYS_clock_nanosleep, marshal_timer_on_clock},
};

}  // namespace

SpecialMarshaller special_marshaller(int nr) {
    for (const Special& special : kSpecials)
        if (special.nr == nr) return special.marshal;
    return nullptr;
}

}  // namespace pmi

// Compiled for its assertions only.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mqueue.h>
#include <linux/msg.h>
#include <linux/quota.h>
#include <linux/sem.h>
#include <linux/shm.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <utime.h>

#include "interpose/syscall/sizes.h"

namespace pmi::size {

static_assert(kSiginfo == sizeof(siginfo_t));
static_assert(kSigevent == sizeof(sigevent));
static_assert(kTimespec == sizeof(timespec));
static_assert(kTimeval == sizeof(timeval));
static_assert(kItimerval == sizeof(itimerval));
static_assert(kItimerspec == sizeof(itimerspec));
static_assert(kTimex == sizeof(timex));
static_assert(kTms == sizeof(tms));
static_assert(kUtimbuf == sizeof(utimbuf));
static_assert(kRusage == sizeof(rusage));
static_assert(kRlimit == sizeof(rlimit));
static_assert(kStat == sizeof(struct stat));
static_assert(kStatx == sizeof(struct statx));
static_assert(kStatfs == sizeof(struct statfs));
static_assert(kUtsname == sizeof(utsname));
static_assert(kSysinfo == sizeof(struct sysinfo));
static_assert(kPollfd == sizeof(pollfd));
static_assert(kEpollEvent == sizeof(epoll_event));
static_assert(kIovec == sizeof(iovec));
static_assert(kMsghdr == sizeof(msghdr));
static_assert(kMmsghdr == sizeof(mmsghdr));
static_assert(kSembuf == sizeof(sembuf));
static_assert(kSemidDs == sizeof(semid64_ds));
static_assert(kSeminfo == sizeof(seminfo));
static_assert(kMsqidDs == sizeof(msqid64_ds));
static_assert(kMsginfo == sizeof(msginfo));
static_assert(kShmidDs == sizeof(shmid64_ds));
static_assert(kShminfo == sizeof(shminfo64));
static_assert(kShmInfo == sizeof(shm_info));
static_assert(kMqAttr == sizeof(mq_attr));
static_assert(kNotifyCookie == NOTIFY_COOKIE_LEN);
static_assert(kFlock == sizeof(flock));
static_assert(kSockaddrMax == sizeof(sockaddr_storage));
static_assert(kIfreq == sizeof(ifreq));
static_assert(kIfconf == sizeof(ifconf));
static_assert(kCapHeader == sizeof(__user_cap_header_struct));
static_assert(kCapData == sizeof(__user_cap_data_struct));
static_assert(kDqblk == sizeof(if_dqblk));
static_assert(kNextDqblk == sizeof(if_nextdqblk));
static_assert(kDqinfo == sizeof(if_dqinfo));

}  // namespace pmi::size

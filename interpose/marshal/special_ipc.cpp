// System V semaphores, messages and shared memory, by command; POSIX message queues.
#include <fcntl.h>
#include <linux/ipc.h>
#include <linux/msg.h>
#include <linux/sem.h>
#include <linux/shm.h>
#include <signal.h>

#include <algorithm>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

using rows::bytes;

constexpr uint64_t kMostSemaphores = 32000;  // SEMMSL
constexpr uint32_t kMtype = 8;

// SETALL: the kernel knows how many it wants; whatever of the largest set can be read goes along.
void move_all_values(Gather& gather) {
    uint64_t size = gather.readable_prefix(gather.arg(3), kMostSemaphores * 2);
    if (size == 0) return gather.refuse(-EFAULT);
    gather.point_arg(3, gather.copy_in(gather.arg(3), size));
}

void move_buffer(Gather& gather, ArgKind kind, uint32_t size) { gather.move(2, rows::make(kind, "buf", bytes(size))); }

}  // namespace

void marshal_semctl(Gather& gather) {
    switch (gather.int_arg(2)) {
        case IPC_RMID:
        case GETPID:
        case GETVAL:
        case GETNCNT:
        case GETZCNT: return;
        case SETVAL: return gather.pass(3);
        case IPC_SET: return gather.move(3, rows::in("arg", bytes(size::kSemidDs)));
        case IPC_STAT:
        case SEM_STAT:
        case SEM_STAT_ANY: return gather.move(3, rows::out("arg", bytes(size::kSemidDs)));
        case IPC_INFO:
        case SEM_INFO: return gather.move(3, rows::out("arg", bytes(size::kSeminfo)));
        case SETALL: return move_all_values(gather);
        case GETALL: return gather.go_home("semctl(GETALL): only the kernel knows how much it will write");
        default: return;  // EINVAL
    }
}

void marshal_msgctl(Gather& gather) {
    switch (gather.int_arg(1)) {
        case IPC_SET: return move_buffer(gather, ArgKind::In, size::kMsqidDs);
        case IPC_STAT:
        case MSG_STAT:
        case MSG_STAT_ANY: return move_buffer(gather, ArgKind::Out, size::kMsqidDs);
        case IPC_INFO:
        case MSG_INFO: return move_buffer(gather, ArgKind::Out, size::kMsginfo);
        default: return;  // IPC_RMID, EINVAL
    }
}

void marshal_shmctl(Gather& gather) {
    switch (gather.int_arg(1)) {
        case IPC_SET: return move_buffer(gather, ArgKind::In, size::kShmidDs);
        case IPC_STAT:
        case SHM_STAT:
        case SHM_STAT_ANY: return move_buffer(gather, ArgKind::Out, size::kShmidDs);
        case IPC_INFO: return move_buffer(gather, ArgKind::Out, size::kShminfo);
        case SHM_INFO: return move_buffer(gather, ArgKind::Out, size::kShmInfo);
        default: return;  // IPC_RMID, SHM_LOCK, SHM_UNLOCK, EINVAL
    }
}

void marshal_msgsnd(Gather& gather) {
    uint64_t size = gather.arg(2);
    if (size > kMaxTransfer) size = 0;  // EINVAL, after the kernel has read the type
    gather.point_arg(1, gather.copy_in(gather.arg(1), kMtype + size));
}

void marshal_msgrcv(Gather& gather) {
    uint64_t size = gather.arg(2);
    if (static_cast<int64_t>(size) < 0) return gather.set_arg(1, kBadAddress);  // EINVAL
    size = std::min(size, kMaxTransfer);
    gather.set_arg(2, size);
    if (!gather.readable(gather.arg(1))) return gather.set_arg(1, kBadAddress);
    uint32_t offset = gather.reserve(kMtype + size);
    gather.point_arg(1, offset);
    gather.bring_back(offset, gather.arg(1), kMtype);
    gather.bring_back(offset + kMtype, gather.arg(1) + kMtype, size, OutWhen::Result);
}

void marshal_mq_open(Gather& gather) {
    if ((gather.arg(1) & O_CREAT) != 0) gather.move(3, rows::in("u_attr", bytes(size::kMqAttr)));
}

// SIGEV_THREAD, as glibc uses it: the value is the address of a cookie that is sent to a netlink socket.
void marshal_mq_notify(Gather& gather) {
    if (gather.arg(1) == 0) return;
    auto event = gather.load<sigevent>(gather.arg(1));
    uint32_t at = gather.put_in(std::as_bytes(std::span(&event, 1)));
    gather.point_arg(1, at);
    if (event.sigev_notify != SIGEV_THREAD) return;
    uint64_t cookie = reinterpret_cast<uint64_t>(event.sigev_value.sival_ptr);
    gather.point_at(at + offsetof(sigevent, sigev_value), gather.copy_in(cookie, size::kNotifyCookie));
}

}  // namespace pmi

// Rows: System V IPC, POSIX message queues, keys.
#pragma once
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi::rows {

inline constexpr Entry kIpc[] = {
    home(29, "shmget", {value("key"), value("size"), value("shmflg")}),
    home(31, "shmctl", {value("shmid"), value("cmd"), special("buf")}),
    home(64, "semget", {value("key"), value("nsems"), value("semflg")}),
    home(65, "semop", {value("semid"), in("tsops", int_times(2, size::kSembuf)), value("nsops")}).sleeps(Interrupt::Eintr),
    home(66, "semctl", {value("semid"), value("semnum"), value("cmd"), special("arg")})
        .why("GETALL goes home: only the kernel knows how many semaphores it will write"),
    home(68, "msgget", {value("key"), value("msgflg")}),
    home(69, "msgsnd", {value("msqid"), special("msgp"), value("msgsz"), value("msgflg")}).sleeps(),
    home(70, "msgrcv", {value("msqid"), special("msgp"), value("msgsz"), value("msgtyp"), value("msgflg")}).sleeps(),
    home(71, "msgctl", {value("msqid"), value("cmd"), special("buf")}),
    home(220, "semtimedop",
         {value("semid"), in("tsops", int_times(2, size::kSembuf)), value("nsops"), in("timeout", bytes(size::kTimespec))})
        .sleeps(Interrupt::Eintr)
        .timeout_in(3, Timeout::TimespecRelative),
    home(240, "mq_open", {path("u_name"), value("oflag"), value("mode"), special("u_attr")}),
    home(241, "mq_unlink", {path("u_name")}),
    home(
        242, "mq_timedsend",
        {fd("mqdes"), in("u_msg_ptr", length(2)), value("msg_len"), value("msg_prio"), in("u_abs_timeout", bytes(size::kTimespec))})
        .sleeps()
        .why("its timeout is absolute"),
    home(243, "mq_timedreceive",
         {fd("mqdes"), by_result(out("u_msg_ptr", length(2))), value("msg_len"), out("u_msg_prio", bytes(4)),
          in("u_abs_timeout", bytes(size::kTimespec))})
        .sleeps()
        .why("its timeout is absolute"),
    home(244, "mq_notify", {fd("mqdes"), special("u_notification")}),
    home(245, "mq_getsetattr", {fd("mqdes"), in("u_mqstat", bytes(size::kMqAttr)), out("u_omqstat", bytes(size::kMqAttr))}),
    home(248, "add_key", {string("_type"), string("_description"), in("_payload", length(3)), value("plen"), value("ringid")}),
    home(249, "request_key", {string("_type"), string("_description"), string("_callout_info"), value("destringid")}).sleeps(),
    home(250, "keyctl", {value("option"), special("arg2"), special("arg3"), special("arg4"), special("arg5")})
        .why("by operation; those on public keys and Diffie-Hellman go home"),
};

}  // namespace pmi::rows

// Rows: what is done with an open file descriptor, and waiting for several of them.
#pragma once
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi::rows {

inline constexpr Entry kIo[] = {
    home(0, "read", {fd("fd"), read_buffer("buf", 2), value("count")}).sleeps(Interrupt::Eintr),
    home(1, "write", {fd("fd"), write_buffer("buf", 2), value("count")}).sleeps(Interrupt::Eintr),
    home(3, "close", {fd("fd")}).why("never issued again: the number is free after it, whatever it gave"),
    home(7, "poll", {inout("ufds", int_times(1, size::kPollfd)), value("nfds"), value("timeout_msecs")})
        .sleeps(Interrupt::Poll)
        .timeout_in(2, Timeout::MillisArg),
    home(8, "lseek", {fd("fd"), value("offset"), value("whence")}),
    home(16, "ioctl", {fd("fd"), value("cmd"), special("arg")})
        .sleeps()
        .why("by a table of known requests, else by the size in the request's number; what could hold an "
             "address goes home"),
    home(17, "pread64", {fd("fd"), read_buffer("buf", 2), value("count"), value("pos")}).sleeps(),
    home(18, "pwrite64", {fd("fd"), write_buffer("buf", 2), value("count"), value("pos")}).sleeps(),
    home(19, "readv", {fd("fd"), out_vec("vec", 2), value("vlen")}).sleeps(Interrupt::Eintr),
    home(20, "writev", {fd("fd"), in_vec("vec", 2), value("vlen")}).sleeps(Interrupt::Eintr),
    home(22, "pipe", {out("fildes", bytes(8))}),
    home(23, "select", {value("n"), special("inp"), special("outp"), special("exp"), special("tvp")})
        .sleeps()
        .timeout_in(4, Timeout::TimevalWritten),
    home(32, "dup", {fd("fildes")}),
    home(33, "dup2", {fd("oldfd"), fd("newfd")}),
    home(40, "sendfile", {fd("out_fd"), fd("in_fd"), inout("offset", bytes(8)), value("count")}).sleeps(),
    home(72, "fcntl", {fd("fd"), value("cmd"), special("arg")})
        .sleeps()
        .why("by command; an unknown command with an argument goes home"),
    home(73, "flock", {fd("fd"), value("cmd")}).sleeps(),
    home(74, "fsync", {fd("fd")}),
    home(75, "fdatasync", {fd("fd")}),
    home(77, "ftruncate", {fd("fd"), value("length")}),
    home(78, "getdents", {fd("fd"), partial(by_result(out("dirent", int_length(2)))), value("count")}),
    home(187, "readahead", {fd("fd"), value("offset"), value("count")}),
    home(213, "epoll_create", {value("size")}),
    home(217, "getdents64", {fd("fd"), partial(by_result(out("dirent", int_length(2)))), value("count")}),
    home(221, "fadvise64", {fd("fd"), value("offset"), value("len"), value("advice")}),
    home(232, "epoll_wait", {fd("epfd"), special("events"), value("maxevents"), value("timeout")})
        .sleeps(Interrupt::Eintr)
        .timeout_in(3, Timeout::MillisArg),
    home(233, "epoll_ctl", {fd("epfd"), value("op"), fd("fd"), special("event")}),
    home(253, "inotify_init"),
    home(254, "inotify_add_watch", {fd("fd"), path("pathname"), value("mask")}),
    home(255, "inotify_rm_watch", {fd("fd"), value("wd")}),
    home(270, "pselect6", {value("n"), special("inp"), special("outp"), special("exp"), special("tsp"), special("sig")})
        .sleeps()
        .timeout_in(4, Timeout::TimespecWritten)
        .mask_in(5),
    home(271, "ppoll",
         {inout("ufds", int_times(1, size::kPollfd)), value("nfds"), always(inout("tsp", bytes(size::kTimespec))),
          in("sigmask", bytes(size::kSigset)), value("sigsetsize")})
        .sleeps()
        .timeout_in(2, Timeout::TimespecWritten)
        .mask_in(3),
    home(275, "splice",
         {fd("fd_in"), inout("off_in", bytes(8)), fd("fd_out"), inout("off_out", bytes(8)), value("len"), value("flags")})
        .sleeps(),
    home(276, "tee", {fd("fdin"), fd("fdout"), value("len"), value("flags")}).sleeps(),
    home(277, "sync_file_range", {fd("fd"), value("offset"), value("nbytes"), value("flags")}),
    goes_home(278, "vmsplice", "the pipe would hold pages of the program's memory",
              {fd("fd"), guest("uiov"), value("nr_segs"), value("flags")}),
    home(281, "epoll_pwait",
         {fd("epfd"), special("events"), value("maxevents"), value("timeout"), in("sigmask", bytes(size::kSigset)),
          value("sigsetsize")})
        .sleeps(Interrupt::Eintr)
        .timeout_in(3, Timeout::MillisArg)
        .mask_in(4),
    home(282, "signalfd", {fd("ufd"), in("user_mask", bytes(size::kSigset)), value("sizemask")}),
    home(283, "timerfd_create", {value("clockid"), value("flags")}),
    home(284, "eventfd", {value("count")}),
    home(285, "fallocate", {fd("fd"), value("mode"), value("offset"), value("len")}).sleeps(),
    home(286, "timerfd_settime",
         {fd("ufd"), value("flags"), in("utmr", bytes(size::kItimerspec)), out("otmr", bytes(size::kItimerspec))}),
    home(287, "timerfd_gettime", {fd("ufd"), out("otmr", bytes(size::kItimerspec))}),
    home(289, "signalfd4", {fd("ufd"), in("user_mask", bytes(size::kSigset)), value("sizemask"), value("flags")}),
    home(290, "eventfd2", {value("count"), value("flags")}),
    home(291, "epoll_create1", {value("flags")}),
    home(292, "dup3", {fd("oldfd"), fd("newfd"), value("flags")}),
    home(293, "pipe2", {out("fildes", bytes(8)), value("flags")}),
    home(294, "inotify_init1", {value("flags")}),
    home(295, "preadv", {fd("fd"), out_vec("vec", 2), value("vlen"), value("pos_l"), value("pos_h")}).sleeps(),
    home(296, "pwritev", {fd("fd"), in_vec("vec", 2), value("vlen"), value("pos_l"), value("pos_h")}).sleeps(),
    home(300, "fanotify_init", {value("flags"), value("event_f_flags")}),
    home(301, "fanotify_mark", {fd("fanotify_fd"), value("flags"), value("mask"), fd("dfd"), path("pathname")}),
    home(306, "syncfs", {fd("fd")}),
    home(326, "copy_file_range",
         {fd("fd_in"), inout("off_in", bytes(8)), fd("fd_out"), inout("off_out", bytes(8)), value("len"), value("flags")})
        .sleeps(),
    home(327, "preadv2", {fd("fd"), out_vec("vec", 2), value("vlen"), value("pos_l"), value("pos_h"), value("flags")})
        .sleeps(Interrupt::Eintr),
    home(328, "pwritev2", {fd("fd"), in_vec("vec", 2), value("vlen"), value("pos_l"), value("pos_h"), value("flags")})
        .sleeps(Interrupt::Eintr),
    home(436, "close_range", {fd("fd"), fd("max_fd"), value("flags")}),
    home(441, "epoll_pwait2",
         {fd("epfd"), special("events"), value("maxevents"), in("timeout", bytes(size::kTimespec)),
          in("sigmask", bytes(size::kSigset)), value("sigsetsize")})
        .sleeps(Interrupt::Eintr)
        .timeout_in(3, Timeout::TimespecRelative)
        .mask_in(4),
    home(451, "cachestat",
         {fd("fd"), in("cstat_range", bytes(size::kCachestatRange)), out("cstat", bytes(size::kCachestat)), value("flags")}),
};

}  // namespace pmi::rows

// Rows: signals, clocks, timers, sleeping.
#pragma once
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi::rows {

inline constexpr Entry kTimeSignals[] = {
    both(13, "rt_sigaction",
         {value("sig"), in("act", bytes(size::kSigaction)), out("oact", bytes(size::kSigaction)), value("sigsetsize")})
        .why("handlers run in the guest; what is ignored or default is home's business too"),
    both(14, "rt_sigprocmask",
         {value("how"), in("nset", bytes(size::kSigset)), out("oset", bytes(size::kSigset)), value("sigsetsize")})
        .why("the mask holds on both sides"),
    both(15, "rt_sigreturn").why("the mask that it puts back holds on both sides"),
    home(34, "pause").sleeps(),
    home(35, "nanosleep", {in("rqtp", bytes(size::kTimespec)), always(sparse(out("rmtp", bytes(size::kTimespec))))})
        .sleeps(Interrupt::RestartBlock)
        .why("the deputy's restart block keeps the deadline"),
    both(36, "getitimer", {value("which"), out("value", bytes(size::kItimerval))})
        .why("ITIMER_REAL at home; ITIMER_VIRTUAL and ITIMER_PROF count CPU time on the node"),
    home(37, "alarm", {value("seconds")}),
    both(38, "setitimer", {value("which"), in("value", bytes(size::kItimerval)), out("ovalue", bytes(size::kItimerval))})
        .why("ITIMER_REAL at home; ITIMER_VIRTUAL and ITIMER_PROF count CPU time on the node"),
    home(62, "kill", {value("pid"), value("sig")}),
    node(96, "gettimeofday", {out("tv", bytes(size::kTimeval)), out("tz", bytes(size::kTimezone))})
        .why("home's wall clock, as the guest's vDSO reckons it"),
    both(100, "times", {out("tbuf", bytes(size::kTms))})
        .why("the program's own CPU time is counted on the node, its children's at home"),
    home(127, "rt_sigpending", {out("uset", length(1)), value("sigsetsize")}),
    home(128, "rt_sigtimedwait",
         {in("uthese", bytes(size::kSigset)), out("uinfo", bytes(size::kSiginfo)), in("uts", bytes(size::kTimespec)),
          value("sigsetsize")})
        .sleeps(Interrupt::Eintr)
        .timeout_in(2, Timeout::TimespecRelative),
    home(129, "rt_sigqueueinfo", {value("pid"), value("sig"), in("uinfo", bytes(size::kSiginfo))}),
    home(130, "rt_sigsuspend", {in("unewset", bytes(size::kSigset)), value("sigsetsize")}).sleeps().mask_in(0),
    local(131, "sigaltstack", {guest("uss"), guest("uoss")}),
    home(159, "adjtimex", {always(inout("txc_p", bytes(size::kTimex)))}),
    home(164, "settimeofday", {in("tv", bytes(size::kTimeval)), in("tz", bytes(size::kTimezone))}),
    home(200, "tkill", {value("pid"), value("sig")}),
    node(201, "time", {out("tloc", bytes(8))}).why("home's wall clock, as the guest's vDSO reckons it"),
    both(219, "restart_syscall")
        .sleeps(Interrupt::RestartBlock)
        .why("at home if the last call that a signal or a stop interrupted was forwarded, else in the guest"),
    home(222, "timer_create",
         {special("which_clock"), in("timer_event_spec", bytes(size::kSigevent)), inout("created_timer_id", bytes(4))})
        .why("a timer on CPU time goes home: the deputy uses none"),
    home(223, "timer_settime",
         {value("timer_id"), value("flags"), in("new_setting", bytes(size::kItimerspec)),
          out("old_setting", bytes(size::kItimerspec))}),
    home(224, "timer_gettime", {value("timer_id"), out("setting", bytes(size::kItimerspec))}),
    home(225, "timer_getoverrun", {value("timer_id")}),
    home(226, "timer_delete", {value("timer_id")}),
    home(227, "clock_settime", {value("which_clock"), in("tp", bytes(size::kTimespec))}),
    both(228, "clock_gettime", {value("which_clock"), out("tp", bytes(size::kTimespec))})
        .why("monotonic and boot time natively in the guest's time namespace (the filter looks at the "
             "clock); wall "
             "clocks and CPU time by the node's supervisor"),
    home(229, "clock_getres", {value("which_clock"), out("tp", bytes(size::kTimespec))}),
    home(230, "clock_nanosleep",
         {special("which_clock"), value("flags"), in("rqtp", bytes(size::kTimespec)),
          always(sparse(out("rmtp", bytes(size::kTimespec))))})
        .sleeps(Interrupt::RestartBlock)
        .why("the deputy's restart block keeps the deadline; a sleep on CPU time goes home"),
    home(234, "tgkill", {value("tgid"), value("pid"), value("sig")}),
    home(297, "rt_tgsigqueueinfo", {value("tgid"), value("pid"), value("sig"), in("uinfo", bytes(size::kSiginfo))}),
    home(305, "clock_adjtime", {value("which_clock"), always(inout("utx", bytes(size::kTimex)))}),
    home(424, "pidfd_send_signal", {fd("pidfd"), value("sig"), in("info", bytes(size::kSiginfo)), value("flags")}),
};

}  // namespace pmi::rows

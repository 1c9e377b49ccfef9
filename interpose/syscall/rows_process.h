// Rows: tasks. Identity, credentials, birth and death, scheduling, limits, options.
#pragma once
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi::rows {

inline constexpr Entry kProcess[] = {
    local(24, "sched_yield"),
    local(39, "getpid").why("the guest has home's number"),
    both(56, "clone", {value("clone_flags"), value("newsp"), guest("parent_tidptr"), guest("child_tidptr"), value("tls")})
        .sleeps()
        .why("a task is born on both sides; the guest's gets the number of home's"),
    both(57, "fork").sleeps().why("a process is born on both sides"),
    both(58, "vfork").sleeps().why("a process is born on both sides"),
    both(59, "execve", {special("filename"), special("argv"), special("envp")})
        .sleeps()
        .why("the deputy executes it: the program is home again"),
    both(60, "exit", {value("error_code")}),
    home(61, "wait4",
         {value("upid"), sparse(out("stat_addr", bytes(4))), value("options"), sparse(out("ru", bytes(size::kRusage)))})
        .sleeps(),
    identity(63, "uname", {out("name", bytes(size::kUtsname))}),
    home(97, "getrlimit", {value("resource"), out("rlim", bytes(size::kRlimit))}),
    both(98, "getrusage", {value("who"), out("ru", bytes(size::kRusage))})
        .why("the program's own use is counted on the node, its children's at home"),
    goes_home(101, "ptrace", "the other task is at home", {value("request"), value("pid"), value("addr"), value("data")}),
    identity(102, "getuid").lasting(Known::Credentials),
    identity(104, "getgid").lasting(Known::Credentials),
    home(105, "setuid", {value("uid")}).changing(Known::Credentials),
    home(106, "setgid", {value("gid")}).changing(Known::Credentials),
    identity(107, "geteuid").lasting(Known::Credentials),
    identity(108, "getegid").lasting(Known::Credentials),
    home(109, "setpgid", {value("pid"), value("pgid")}).changing(Known::OwnGroup),
    identity(110, "getppid"),
    identity(111, "getpgrp").lasting(Known::OwnGroup),
    home(112, "setsid").changing(Known::OwnSession),
    home(113, "setreuid", {value("ruid"), value("euid")}).changing(Known::Credentials),
    home(114, "setregid", {value("rgid"), value("egid")}).changing(Known::Credentials),
    home(115, "getgroups", {value("gidsetsize"), by_result(out("grouplist", int_times(0, 4)), 4)}).lasting(Known::Credentials),
    home(116, "setgroups", {value("gidsetsize"), in("grouplist", int_times(0, 4))}).changing(Known::Credentials),
    home(117, "setresuid", {value("ruid"), value("euid"), value("suid")}).changing(Known::Credentials),
    identity(118, "getresuid", {out("ruidp", bytes(4)), out("euidp", bytes(4)), out("suidp", bytes(4))})
        .lasting(Known::Credentials),
    home(119, "setresgid", {value("rgid"), value("egid"), value("sgid")}).changing(Known::Credentials),
    identity(120, "getresgid", {out("rgidp", bytes(4)), out("egidp", bytes(4)), out("sgidp", bytes(4))})
        .lasting(Known::Credentials),
    home(121, "getpgid", {value("pid")}).lasting(Known::OwnGroup),
    home(122, "setfsuid", {value("uid")}).changing(Known::Credentials),
    home(123, "setfsgid", {value("gid")}).changing(Known::Credentials),
    home(124, "getsid", {value("pid")}).lasting(Known::OwnSession),
    home(125, "capget", {special("header"), special("dataptr")}),
    home(126, "capset", {special("header"), special("data")}).changing(Known::Credentials),
    home(135, "personality", {special("personality")}).why("what changes how memory is mapped goes home"),
    home(140, "getpriority", {value("which"), value("who")}),
    home(141, "setpriority", {value("which"), value("who"), value("niceval")}),
    home(142, "sched_setparam", {value("pid"), in("param", bytes(size::kSchedParam))}),
    home(143, "sched_getparam", {value("pid"), out("param", bytes(size::kSchedParam))}),
    home(144, "sched_setscheduler", {value("pid"), value("policy"), in("param", bytes(size::kSchedParam))}),
    home(145, "sched_getscheduler", {value("pid")}),
    home(146, "sched_get_priority_max", {value("policy")}).lasting(Known::Kernel),
    home(147, "sched_get_priority_min", {value("policy")}).lasting(Known::Kernel),
    home(148, "sched_rr_get_interval", {value("pid"), out("interval", bytes(size::kTimespec))}),
    both(157, "prctl", {value("option"), special("arg2"), special("arg3"), special("arg4"), special("arg5")})
        .why("by option: what concerns memory or the CPU in the guest, the rest at home; seccomp, PR_SET_MM "
             "and "
             "unknown options with an argument go home"),
    both(160, "setrlimit", {value("resource"), in("rlim", bytes(size::kRlimit))})
        .why("limits on memory and CPU time bind in the guest, the others at home"),
    goes_home(172, "iopl", "hardware of home", {value("level")}),
    goes_home(173, "ioperm", "hardware of home", {value("from"), value("num"), value("turn_on")}),
    local(186, "gettid").why("the guest has home's number"),
    home(203, "sched_setaffinity", {value("pid"), value("len"), in("user_mask_ptr", int_length(1))}),
    home(204, "sched_getaffinity", {value("pid"), value("len"), by_result(out("user_mask_ptr", int_length(1)))}),
    both(231, "exit_group", {value("error_code")}),
    home(247, "waitid",
         {value("which"), value("upid"), always(sparse(out("infop", bytes(size::kSiginfo)))), value("options"),
          sparse(out("ru", bytes(size::kRusage)))})
        .sleeps(),
    home(251, "ioprio_set", {value("which"), value("who"), value("ioprio")}),
    home(252, "ioprio_get", {value("which"), value("who")}),
    goes_home(272, "unshare", "changes what the task belongs to while it stands in two places", {value("unshare_flags")}),
    both(302, "prlimit64",
         {value("pid"), value("resource"), in("new_rlim", bytes(size::kRlimit)), out("old_rlim", bytes(size::kRlimit))})
        .why("limits on memory and CPU time bind in the guest, the others at home"),
    goes_home(308, "setns", "changes what the task belongs to while it stands in two places", {fd("fd"), value("flags")}),
    local(309, "getcpu", {guest("cpup"), guest("nodep"), guest("unused")}),
    goes_home(312, "kcmp", "compares tasks, and the program's memory is not at home",
              {value("pid1"), value("pid2"), value("type"), value("idx1"), value("idx2")}),
    home(314, "sched_setattr", {value("pid"), special("uattr"), value("flags")}),
    home(315, "sched_getattr", {value("pid"), sparse(out("uattr", int_length(2))), value("usize"), value("flags")}),
    goes_home(317, "seccomp", "a filter of the program's own would have to hold at home and in the guest",
              {value("op"), value("flags"), guest("uargs")}),
    both(322, "execveat", {fd("fd"), special("filename"), special("argv"), special("envp"), value("flags")})
        .sleeps()
        .why("the deputy executes it: the program is home again"),
    home(434, "pidfd_open", {value("pid"), value("flags")}),
    both(435, "clone3", {guest("uargs"), value("size")})
        .sleeps()
        .why("a task is born on both sides; the guest's gets the number of home's"),
    home(438, "pidfd_getfd", {fd("pidfd"), value("fd"), value("flags")}),
    goes_home(444, "landlock_create_ruleset", "rules that bind the task for ever", {guest("attr"), value("size"), value("flags")}),
    goes_home(445, "landlock_add_rule", "rules that bind the task for ever",
              {fd("ruleset_fd"), value("rule_type"), guest("rule_attr"), value("flags")}),
    goes_home(446, "landlock_restrict_self", "rules that bind the task for ever", {fd("ruleset_fd"), value("flags")}),
    home(459, "lsm_get_self_attr",
         {value("attr"), sparse(out("ctx", pointed(2))), always(inout("size", bytes(4))), value("flags")}),
    home(460, "lsm_set_self_attr", {value("attr"), in("ctx", int_length(2)), value("size"), value("flags")}),
    home(461, "lsm_list_modules", {sparse(out("ids", pointed(1))), always(inout("size", bytes(4))), value("flags")}),
};

}  // namespace pmi::rows

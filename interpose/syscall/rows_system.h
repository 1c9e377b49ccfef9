// Rows: the machine as a whole, rings and programs inside the kernel, and numbers that no kernel serves.
#pragma once
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi::rows {

// The number has a name, but no kernel that pmi runs on has the call. Forwarded without its arguments, for
// home's own answer.
constexpr Entry absent(int16_t nr, std::string_view name) {
    return make_row(Route::Home, nr, name, {}).why("no kernel serves it: home says ENOSYS");
}

constexpr std::string_view kRings = "its rings and buffers are memory that the kernel writes at any time";
constexpr std::string_view kProbes = "only meant for the trampoline of a probe, which is memory of home";

inline constexpr Entry kSystem[] = {
    identity(99, "sysinfo", {out("info", bytes(size::kSysinfo))}),
    home(103, "syslog", {value("type"), by_result(out("buf", int_length(2))), value("len")}).sleeps(),
    goes_home(134, "uselib", "maps a library of home", {guest("library")}),
    home(153, "vhangup"),
    absent(156, "_sysctl"),
    home(169, "reboot", {value("magic1"), value("magic2"), value("cmd"), special("arg")}),
    home(170, "sethostname", {in("name", int_length(1)), value("len")}),
    home(171, "setdomainname", {in("name", int_length(1)), value("len")}),
    absent(174, "create_module"),
    home(175, "init_module", {in("umod", length(1)), value("len"), string("uargs")}),
    home(176, "delete_module", {string("name_user"), value("flags")}),
    absent(177, "get_kernel_syms"),
    absent(178, "query_module"),
    absent(180, "nfsservctl"),
    absent(181, "getpmsg"),
    absent(182, "putpmsg"),
    absent(183, "afs_syscall"),
    absent(184, "tuxcall"),
    absent(185, "security"),
    absent(205, "set_thread_area"),
    goes_home(206, "io_setup", kRings, {value("nr_events"), guest("ctxp")}),
    goes_home(207, "io_destroy", kRings, {value("ctx")}),
    goes_home(208, "io_getevents", kRings, {value("ctx_id"), value("min_nr"), value("nr"), guest("events"), guest("timeout")})
        .sleeps(Interrupt::Eintr)
        .timeout_in(4, Timeout::TimespecRelative),
    goes_home(209, "io_submit", kRings, {value("ctx_id"), value("nr"), guest("iocbpp")}),
    goes_home(210, "io_cancel", kRings, {value("ctx_id"), guest("iocb"), guest("result")}),
    absent(211, "get_thread_area"),
    goes_home(212, "lookup_dcookie", "removed from Linux 6.7", {value("cookie64"), guest("buf"), value("len")}),
    absent(214, "epoll_ctl_old"),
    absent(215, "epoll_wait_old"),
    absent(236, "vserver"),
    goes_home(246, "kexec_load", "its segments are addresses of memory",
              {value("entry"), value("nr_segments"), guest("segments"), value("flags")}),
    goes_home(298, "perf_event_open", "counts and samples a task that runs elsewhere",
              {guest("attr_uptr"), value("pid"), value("cpu"), fd("group_fd"), value("flags")}),
    home(313, "finit_module", {fd("fd"), string("uargs"), value("flags")}),
    local(318, "getrandom", {guest("ubuf"), value("len"), value("flags")}).sleeps(),
    home(320, "kexec_file_load",
         {fd("kernel_fd"), fd("initrd_fd"), value("cmdline_len"), in("cmdline_ptr", length(2)), value("flags")}),
    goes_home(321, "bpf", "its attributes hold addresses of memory", {value("cmd"), guest("uattr"), value("size")}),
    goes_home(333, "io_pgetevents", kRings,
              {value("ctx_id"), value("min_nr"), value("nr"), guest("events"), guest("timeout"), guest("usig")})
        .sleeps(Interrupt::Eintr)
        .timeout_in(4, Timeout::TimespecRelative)
        .mask_in(5),
    goes_home(335, "uretprobe", kProbes),
    goes_home(336, "uprobe", kProbes),
    goes_home(425, "io_uring_setup", kRings, {value("entries"), guest("params")}),
    goes_home(426, "io_uring_enter", kRings,
              {fd("fd"), value("to_submit"), value("min_complete"), value("flags"), guest("argp"), value("argsz")})
        .sleeps(Interrupt::Eintr),
    goes_home(427, "io_uring_register", kRings, {fd("fd"), value("opcode"), guest("arg"), value("nr_args")}),
};

}  // namespace pmi::rows

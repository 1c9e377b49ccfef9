// Rows: the address space, and what threads of one address space do with each other.
#pragma once
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi::rows {

inline constexpr Entry kMemory[] = {
    both(9, "mmap", {value("addr"), value("len"), value("prot"), value("flags"), fd("fd"), value("off")})
        .why("private anonymous memory natively in the guest (the filter looks at the flags); a file's pages "
             "come from home; new anonymous shared memory takes the program home"),
    local(10, "mprotect", {value("start"), value("len"), value("prot")}),
    local(11, "munmap", {value("addr"), value("len")}),
    local(12, "brk", {value("brk")}),
    both(25, "mremap", {value("addr"), value("old_len"), value("new_len"), value("flags"), value("new_addr")})
        .why("in the guest; a mapping of a file that grows or a shared one that moves goes home"),
    both(26, "msync", {value("start"), value("len"), value("flags")})
        .why("in the guest, and at home if the program stores in files"),
    local(27, "mincore", {value("start"), value("len"), guest("vec")}),
    local(28, "madvise", {value("start"), value("len_in"), value("behavior")})
        .why("MADV_GUARD_INSTALL is notified: in a mapped file, or where a kernel does not tell of guard pages (before Linux "
             "6.16), they "
             "can't be carried, and take the program home"),
    goes_home(30, "shmat", "attaches memory that others share", {value("shmid"), guest("shmaddr"), value("shmflg")}),
    goes_home(67, "shmdt", "detaches memory that others share", {guest("shmaddr")}),
    local(149, "mlock", {value("start"), value("len")}),
    local(150, "munlock", {value("start"), value("len")}),
    goes_home(151, "mlockall", "counts all that is mapped, on a node the agent too", {value("flags")}),
    local(152, "munlockall"),
    goes_home(154, "modify_ldt", "the LDT can't be carried to another machine", {value("func"), guest("ptr"), value("bytecount")}),
    local(158, "arch_prctl", {value("option"), value("arg2")}),
    local(202, "futex", {guest("uaddr"), value("op"), value("val"), guest("utime"), guest("uaddr2"), value("val3")})
        .sleeps()
        .why("what waits until a time of the wall clock is notified: it waits for the same time of the monotonic one"),
    goes_home(216, "remap_file_pages", "rearranges the pages of a shared file mapping",
              {value("start"), value("size"), value("prot"), value("pgoff"), value("flags")}),
    local(218, "set_tid_address", {guest("tidptr")}).why("gives the TID, which is the same number in the guest"),
    local(237, "mbind", {value("start"), value("len"), value("mode"), guest("nmask"), value("maxnode"), value("flags")})
        .why("a hint for the memory where the program runs now"),
    local(238, "set_mempolicy", {value("mode"), guest("nmask"), value("maxnode")})
        .why("a hint for the memory where the program runs now"),
    local(239, "get_mempolicy", {guest("policy"), guest("nmask"), value("maxnode"), value("addr"), value("flags")}),
    goes_home(256, "migrate_pages", "names another process' memory",
              {value("pid"), value("maxnode"), guest("old_nodes"), guest("new_nodes")}),
    local(273, "set_robust_list", {guest("head"), value("len")}),
    local(274, "get_robust_list", {value("pid"), guest("head_ptr"), guest("len_ptr")}),
    goes_home(279, "move_pages", "names another process' memory",
              {value("pid"), value("nr_pages"), guest("pages"), guest("nodes"), guest("status"), value("flags")}),
    goes_home(310, "process_vm_readv", "names another process' memory",
              {value("pid"), guest("lvec"), value("liovcnt"), guest("rvec"), value("riovcnt"), value("flags")}),
    goes_home(311, "process_vm_writev", "names another process' memory",
              {value("pid"), guest("lvec"), value("liovcnt"), guest("rvec"), value("riovcnt"), value("flags")}),
    home(319, "memfd_create", {string("uname"), value("flags")}),
    goes_home(323, "userfaultfd", "its ranges are addresses of home", {value("flags")}),
    local(324, "membarrier", {value("cmd"), value("flags"), value("cpu_id")}),
    local(325, "mlock2", {value("start"), value("len"), value("flags")}),
    goes_home(329, "pkey_mprotect", "a program with protection keys stays home",
              {value("start"), value("len"), value("prot"), value("pkey")}),
    goes_home(330, "pkey_alloc", "a program with protection keys stays home", {value("flags"), value("init_val")}),
    goes_home(331, "pkey_free", "a program with protection keys stays home", {value("pkey")}),
    local(334, "rseq", {guest("rseq"), value("rseq_len"), value("flags"), value("sig")}),
    goes_home(440, "process_madvise", "names another process' memory",
              {fd("pidfd"), guest("vec"), value("vlen"), value("behavior"), value("flags")}),
    goes_home(447, "memfd_secret", "memory that nobody else can read can't be carried", {value("flags")}),
    goes_home(448, "process_mrelease", "names another process' memory", {fd("pidfd"), value("flags")}),
    local(449, "futex_waitv", {guest("waiters"), value("nr_futexes"), value("flags"), guest("timeout"), value("clockid")})
        .sleeps()
        .why("as futex"),
    local(450, "set_mempolicy_home_node", {value("start"), value("len"), value("home_node"), value("flags")}),
    goes_home(453, "map_shadow_stack", "a program with a shadow stack stays home", {value("addr"), value("size"), value("flags")}),
    local(454, "futex_wake", {guest("uaddr"), value("mask"), value("nr"), value("flags")}),
    local(455, "futex_wait", {guest("uaddr"), value("val"), value("mask"), value("flags"), guest("timeout"), value("clockid")})
        .sleeps()
        .why("as futex"),
    local(456, "futex_requeue", {guest("waiters"), value("flags"), value("nr_wake"), value("nr_requeue")}),
    goes_home(462, "mseal", "home's half of the program has to be able to change its mappings",
              {value("start"), value("len"), value("flags")}),
};

}  // namespace pmi::rows

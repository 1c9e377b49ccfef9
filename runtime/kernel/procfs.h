// What /proc says of a process, parsed (proc(5)). Every function reads the live file; a process that is gone is
// an Error with ESRCH or ENOENT.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

struct MapsEntry {
    uint64_t start = 0, end = 0;  // addresses
    bool read = false, write = false, exec = false, shared = false;
    uint64_t offset = 0;  // bytes into the file
    uint32_t dev_major = 0, dev_minor = 0;
    uint64_t inode = 0;
    std::string name;           // path, [heap], ... or empty
    std::string vm_flags;       // smaps' VmFlags ("rd wr mr mw me ac"), empty when read from maps
    uint64_t resident_kib = 0;  // smaps' Rss and Swap
    int protection_key = 0;     // smaps' ProtectionKey
    uint64_t size() const { return end - start; }
    int prot() const;  // PROT_*
    bool has_flag(std::string_view flag) const;
    // Not so of anonymous memory. A System V segment's id is its inode number, and the first one is 0.
    bool has_file() const { return inode != 0 || name.starts_with("/SYSV"); }
};

// Whether smaps' VmFlags hold this one ("lo", "nr", ...).
bool has_vm_flag(std::string_view vm_flags, std::string_view flag);

Expected<std::vector<MapsEntry>> parse_maps(std::string_view text);
// Makes the list of a program that runs one in which nothing overlaps.
void cut_repeated(std::vector<MapsEntry>& maps);
// pid's address space, from maps, or from smaps with the VmFlags of each entry.
Expected<std::vector<MapsEntry>> read_maps(pid_t pid);
Expected<std::vector<MapsEntry>> read_smaps(pid_t pid);

struct ProcStatus {
    std::string name;
    char state = '?';
    pid_t tgid = 0, pid = 0, ppid = 0, tracer = 0;
    uid_t uid[4]{};  // real, effective, saved, file system
    gid_t gid[4]{};
    int threads = 0;
    uint64_t sig_pending = 0, shared_pending = 0, sig_blocked = 0, sig_ignored = 0, sig_caught = 0;
    uint64_t queued_signals = 0;  // of all processes of its user
    uint64_t effective_capabilities = 0;
    uint64_t vm_rss_kib = 0, vm_size_kib = 0;
    int no_new_privs = 0, seccomp = 0;
    std::vector<pid_t> ns_pid;  // outermost first
};
ProcStatus parse_status(std::string_view text);
// `tid` 0: the process itself.
Expected<ProcStatus> read_status(pid_t pid, pid_t tid = 0);

struct ProcStat {
    std::string comm;
    char state = '?';
    pid_t ppid = 0, pgrp = 0, session = 0;
    int tty = 0;
    uint64_t flags = 0;             // PF_... of the kernel
    uint64_t utime = 0, stime = 0;  // clock ticks
    uint64_t start_time = 0;        // clock ticks after boot; with the PID names a process for ever
    uint64_t start_code = 0, end_code = 0, start_stack = 0, start_data = 0, end_data = 0, start_brk = 0;
    uint64_t arg_start = 0, arg_end = 0, env_start = 0, env_end = 0;
};
Expected<ProcStat> parse_stat(std::string_view text);
Expected<ProcStat> read_stat(pid_t pid, pid_t tid = 0);

// The user stack pointer of a thread that is asleep in a system call, or on its way there (/proc/TID/syscall).
Expected<uint64_t> stack_pointer_in_call(pid_t tid);

// The threads of a process, the leader first.
Expected<std::vector<pid_t>> list_threads(pid_t pid);
// A thread that still has the address space: the leader, unless it has ended before the others; /proc/PID/maps of
// such a leader is empty.
pid_t thread_with_memory(pid_t pid);
// All processes that this /proc shows.
Expected<std::vector<pid_t>> list_processes();
// Those of which a thread of this process is the parent. Error ENOENT: a kernel without CONFIG_PROC_CHILDREN.
Expected<std::vector<pid_t>> list_children(pid_t pid);
Expected<std::vector<pid_t>> list_descendants(pid_t pid);

// What a link of /proc says ("exe", an open descriptor's), or empty.
std::string link_target(const std::string& link);

struct FdEntry {
    int fd;
    std::string target;  // what the link says: a path, "socket:[123]", "anon_inode:[eventpoll]"
};
Expected<std::vector<FdEntry>> list_fds(pid_t pid);

// O_* of an open file description (fdinfo).
Expected<int> read_fd_flags(pid_t pid, int fd);

// The variable's value in the environment that the process was given at its exec, or empty.
std::string read_environ(pid_t pid, std::string_view variable);

// Whether the process is gone or about to be. One that was frozen when its tracer died is killed by the kernel before the tracer's
// end is reported.
bool is_being_killed(pid_t pid);

}  // namespace pmi

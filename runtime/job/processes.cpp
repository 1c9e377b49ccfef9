#include "runtime/job/processes.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/kernel/procfs.h"

namespace pmi::job {
namespace {

Fd open_pidfd(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

bool has_ended(int pidfd) {
    pollfd p{pidfd, POLLIN, 0};
    return ::poll(&p, 1, 0) > 0;
}

// A guest of a node on this same machine: it has a program's memory, and so the mark in it, but is not the
// program.
bool is_guest(pid_t pid) { return link_target(fmt::format("/proc/{}/exe", pid)).starts_with("/memfd:pmi-stub"); }

Error no_such(pid_t pid) { return fail("no process {}", pid); }

}  // namespace

Processes::Processes(control::EventLoop& loop, pid_t program, std::string mark, OnEnded on_ended)
    : loop_(loop), program_(program), mark_(std::move(mark)), on_ended_(std::move(on_ended)) {}

Processes::~Processes() {
    for (auto& [pid, process] : by_pid_) loop_.forget(process->pidfd.get());
    if (!ended_.empty()) loop_.cancel(forget_ended_);
}

JobProcess* Processes::hold(pid_t pid, Fd pidfd) {
    auto stat = read_stat(pid);
    // Alive after its start time was read: the number, the time and the pidfd are of one process.
    if (!stat || !pidfd.valid() || has_ended(pidfd.get())) return nullptr;
    if (!loop_.watch(pidfd.get(), EPOLLIN, [this, pid](uint32_t) { ended(pid); })) return nullptr;
    auto process = std::make_unique<JobProcess>();
    process->pid = pid;
    process->start_time = stat->start_time;
    process->pidfd = std::move(pidfd);
    return (by_pid_[pid] = std::move(process)).get();
}

void Processes::add_program(Fd pidfd) { (void)hold(program_, std::move(pidfd)); }

JobProcess* Processes::known(pid_t pid) {
    auto it = by_pid_.find(pid);
    if (it == by_pid_.end()) return nullptr;
    if (!has_ended(it->second->pidfd.get())) return it->second.get();
    ended(pid);  // its number may already be another's
    return nullptr;
}

JobProcess* Processes::adopt(pid_t pid) {
    if (JobProcess* process = known(pid)) return process;
    return hold(pid, open_pidfd(pid));
}

bool Processes::is_member(pid_t pid) {
    if (is_guest(pid)) return false;
    while (pid > 1) {
        if (known(pid) != nullptr) return true;
        std::string mark = read_environ(pid, "PMI_JOB");
        if (!mark.empty()) return mark == mark_;
        auto stat = read_stat(pid);
        if (!stat) return false;
        pid = stat->ppid;
    }
    return false;
}

// "pmirun make", a recipe of which is "pmirun cc": that process was ours until its exec.
void Processes::look_for_nested_job(JobProcess& process) {
    if (!process.at_home() || process.moving()) return;
    std::string mark = read_environ(process.pid, "PMI_JOB");
    process.of_other_job = !mark.empty() && mark != mark_;
}

Expected<JobProcess*> Processes::find(pid_t pid) {
    if (JobProcess* process = known(pid)) {
        look_for_nested_job(*process);
        if (process->of_other_job) return fail("process {} is of another job", pid);
        return process;
    }
    auto status = read_status(pid);
    if (!status) return no_such(pid);
    if (status->tgid != pid) return fail("{} is a thread of process {}", pid, status->tgid);
    if (status->state == 'Z' && status->threads <= 1) return fail("process {} has ended", pid);
    Fd pidfd = open_pidfd(pid);
    if (!pidfd.valid()) return no_such(pid);
    if (!is_member(pid)) return fail("process {} is not of this job", pid);
    JobProcess* process = hold(pid, std::move(pidfd));
    if (process == nullptr) return no_such(pid);
    return process;
}

void Processes::refresh() {
    auto pids = list_processes();
    if (!pids) return;
    for (pid_t pid : *pids)
        if (pid != ::getpid()) (void)find(pid);
}

std::vector<JobProcess*> Processes::all() {
    std::vector<JobProcess*> out;
    for (auto& [pid, process] : by_pid_)
        if (!process->of_other_job) out.push_back(process.get());
    return out;
}

void Processes::ended(pid_t pid) {
    auto it = by_pid_.find(pid);
    if (it == by_pid_.end()) return;
    auto process = std::move(it->second);
    by_pid_.erase(it);
    loop_.forget(process->pidfd.get());
    on_ended_(*process);
    if (ended_.empty()) forget_ended_ = loop_.after(std::chrono::milliseconds(0), [this] { ended_.clear(); });
    ended_.push_back(std::move(process));
}

std::string command_line(pid_t pid) {
    auto text = read_file(fmt::format("/proc/{}/cmdline", pid));
    if (text && text->empty()) {  // a process may wipe it
        auto stat = read_stat(pid);
        return stat ? "[" + stat->comm + "]" : "";
    }
    if (!text) return "";
    while (!text->empty() && text->back() == '\0') text->pop_back();
    for (char& c : *text)
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    return text->substr(0, 4096);
}

std::string image_identity(pid_t pid) {
    auto stat = read_stat(pid);
    if (!stat) return "?";
    return fmt::format("{:x}.{:x}.{:x}", stat->start_code, stat->start_stack, stat->arg_start);
}

}  // namespace pmi::job

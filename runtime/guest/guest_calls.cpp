// Notified calls. A thread in a notification waits in its kernel, immune to all but a kill, until it is answered:
//   forward    its arguments go home, the deputy performs the call, the reply is the answer
//   let_run    the guest's own kernel performs it
//   go_home    the program returns first; the call is issued again there
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "remote/wire/lasting.h"
#include "runtime/base/log.h"
#include "runtime/guest/guest_memory_access.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/guest/memory_limits.h"
#include "runtime/tracee/interrupted.h"
#include "runtime/tracee/partial_transfer.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {

Status GuestSupervisor::handle_notifications() {
    while (!early_.empty()) {
        Notification n = early_.front();
        early_.pop_front();
        TRY(handle_notification(n));
    }
    return {};
}

Status GuestSupervisor::handle_notification(const Notification& n) {
    GuestThread* t = thread_of(n.tid);
    if (t == nullptr) return {};  // it is dying: nobody waits for the answer
    if (t->injecting) {
        spdlog::debug("{}: injected call {}", t->tid.value, n.nr);
        return listener_->let_run(n.id);
    }
    t->notification = n;
    t->given.reset();
    t->went_home = false;
    t->began_ns = monotonic_ns();
    t->signalled = t->signalled && t->interrupted;  // one that it has not stopped for yet: the kernel lets it wait for the answer
    t->cut_short = false;
    if (t->reissued && t->reissued->nr != n.nr) t->reissued.reset();
    t->mask_to_tell.reset();
    if (t->asked_signal != 0) TRY(answer_mask_question(*t));
    if (t->process->held()) return run_again(*t);
    return dispatch(*t);
}

namespace {

// /proc/PID/FILE that tells of memory or CPU, which are here and not at home: read natively, it tells the truth.
bool tells_of_memory(std::string_view file) {
    static constexpr std::string_view kFiles[] = {"maps", "smaps",  "smaps_rollup", "numa_maps", "mem",       "pagemap", "statm",
                                                  "stat", "status", "clear_refs",   "map_files", "schedstat", "sched",   "syscall"};
    for (auto known : kFiles)
        if (file == known) return true;
    return false;
}

// The next part of a path, without the empty ones and ".".
std::string_view next_part(std::string_view& path) {
    for (;;) {
        while (path.starts_with('/')) path.remove_prefix(1);
        std::string_view part = path.substr(0, path.find('/'));
        path.remove_prefix(part.size());
        if (part != ".") return part;
    }
}

std::string_view last_part(std::string_view path) {
    std::string_view last;
    for (std::string_view part = next_part(path); !part.empty(); part = next_part(path)) last = part;
    return last;
}

// Of a path that begins somewhere in /proc, perhaps: a descriptor's, or the working directory.
bool may_tell_of_memory(std::string_view file) {
    static constexpr std::string_view kFiles[] = {"maps", "smaps", "smaps_rollup", "numa_maps", "mem", "pagemap", "clear_refs"};
    return std::find(std::begin(kFiles), std::end(kFiles), file) != std::end(kFiles);
}

bool opens_own_memory(const GuestThread& t, const Row& row) {
    int path_arg = row.nr == SYS_open ? 0 : row.nr == SYS_openat || row.nr == SYS_openat2 ? 1 : -1;
    if (path_arg < 0) return false;
    char buffer[128]{};
    size_t got = t.process->memory->read_some(t.notification->args[static_cast<size_t>(path_arg)],
                                              std::as_writable_bytes(std::span(buffer).first(sizeof buffer - 1)));
    std::string_view path(buffer, strnlen(buffer, got));
    bool is_plain = path.starts_with('/') && path.find("/..") == std::string_view::npos;
    if (!is_plain) return may_tell_of_memory(last_part(path));
    if (next_part(path) != "proc") return false;
    auto is_own = [&](std::string_view part) {
        if (part == "self" || part == "thread-self") return true;
        int number = 0;
        auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
        return error == std::errc() && end == part.data() + part.size() && t.process->threads.contains(HomePid(number));
    };
    if (!is_own(next_part(path))) return false;
    std::string_view file = next_part(path);
    if (file == "task") {
        next_part(path);
        file = next_part(path);
    }
    return tells_of_memory(file);
}

}  // namespace

namespace {

// Before it goes home, home has to know what the thread blocks.
bool needs_true_mask(const Row& row) {
    bool sets_mask = row.nr == SYS_rt_sigprocmask || row.nr == SYS_rt_sigreturn;
    bool may_go_home = row.route == Route::Home || row.route == Route::Identity || row.route == Route::Both;
    return may_go_home && !sets_mask && row.nr != SYS_exit && row.nr != SYS_exit_group;
}

// Of a call that goes home: it finds that one's memory there only if that one is there.
HomePid process_looked_into(const Notification& n) {
    auto pid = [&](size_t arg) { return HomePid(static_cast<int32_t>(n.args[arg])); };
    switch (n.nr) {
        case SYS_ptrace: return n.args[0] == PTRACE_TRACEME ? HomePid(0) : pid(1);
        case SYS_process_vm_readv:
        case SYS_process_vm_writev: return pid(0);
        default: return HomePid(0);
    }
}

// Those of its calls that the filter does not let through.
bool waits_by_wall_clock(const Row& row) { return row.name == "futex" || row.name == "futex_waitv" || row.name == "futex_wait"; }

}  // namespace

Status GuestSupervisor::dispatch(GuestThread& t) {
    const Notification& n = *t.notification;
    const Row* row = find_row(n.nr);
    spdlog::trace("{}: {}({:#x}, {:#x}, {:#x})", t.tid.value, row ? std::string(row->name) : std::to_string(n.nr), n.args[0],
                  n.args[1], n.args[2]);
    if (n.nr == kOtherAbi) return go_home(t, n.nr, "a system call of 32-bit programs (int 0x80)");
    if (row == nullptr) {
        // No kernel has calls up there; what lies between might be a newer kernel's at home.
        if (n.nr < 0 || n.nr > 1023) return answer(t, -ENOSYS);
        return go_home(t, n.nr, "a system call that pmi does not know");
    }
    if (needs_true_mask(*row)) {
        TRY_ASSIGN(bool is_true, bring_mask_up_to_date(t));
        if (!is_true) return {};
    }
    switch (row->route) {
        case Route::Local:
            if (row->nr == SYS_mprotect) return change_code(t);
            if (row->nr == SYS_madvise) return make_guards(t, *row);
            return waits_by_wall_clock(*row) ? wait_by_wall_clock(t) : let_run(t);
        case Route::Node: return answer_wall_clock(t, *row);
        case Route::Identity:
        case Route::Home:
            if (row->nr == SYS_sched_setaffinity) return change_affinity(t, *row);
            if (row->nr == SYS_settimeofday || row->nr == SYS_clock_settime || row->nr == SYS_adjtimex ||
                row->nr == SYS_clock_adjtime)
                return set_wall_clock(t, *row);
            if (opens_own_memory(t, *row)) return go_home(t, n.nr, "a look at its own memory through /proc");
            return forward(t, *row, CallKind::Plain);
        case Route::Both: return dispatch_both(t, *row);
        case Route::Return: return go_home(t, n.nr, std::string(row->name), process_looked_into(n));
    }
    return go_home(t, n.nr, "a route that does not exist");
}

Status GuestSupervisor::dispatch_both(GuestThread& t, const Row& row) {
    const auto& args = t.notification->args;
    switch (row.nr) {
        case SYS_clone:
        case SYS_clone3:
        case SYS_fork:
        case SYS_vfork: return begin_clone(t);
        case SYS_exit: TRY(count_last(t, row, CallKind::ExitThread)); return forward(t, row, CallKind::ExitThread);
        case SYS_exit_group: TRY(count_last(t, row, CallKind::ExitGroup)); return forward(t, row, CallKind::ExitGroup);
        case SYS_execve:
        case SYS_execveat:
            TRY(tell_cpu_time(t));
            TRY(count_last(t, row, CallKind::Exec));
            return forward(t, row, CallKind::Exec);
        case SYS_rt_sigaction:
            if (args[1] == 0) return let_run(t);
            return forward(t, row, CallKind::Plain, [this, &t](const Reply& reply, const Flattened&) {
                // With EFAULT it has set it: only the old one could not be told.
                return reply.result < 0 && reply.result != -EFAULT ? finish(t, reply.result) : let_run(t);
            });
        case SYS_rt_sigprocmask: return change_mask(t, row);
        case SYS_rt_sigreturn: return return_from_handler(t);
        case SYS_mmap: return map_file(t, row);
        case SYS_msync: return sync_memory(t, row);
        case SYS_mremap: return remap(t, row);
        case SYS_prlimit64:
        case SYS_setrlimit: return change_limits(t, row);
        case SYS_restart_syscall: return t.restart_is_home ? forward(t, row, CallKind::Plain) : let_run(t);
        case SYS_clock_gettime: return is_wall_clock(args[0]) ? answer_wall_clock(t, row) : answer_cpu_clock(t, row);
        case SYS_getrusage:
        case SYS_times:
        case SYS_getitimer:
        case SYS_setitimer: return answer_cpu_clock(t, row);
        default: return forward(t, row, CallKind::Plain);
    }
}

Status GuestSupervisor::forward(GuestThread& t, const Row& row, CallKind kind, ReplyHandler then) {
    GuestMemoryAccess memory(*t.process->memory);
    CallArguments call{row.nr, t.notification->args};
    if (t.transferred != 0) TRY(skip_transferred(call, t.transferred, agent_of(*t.process).scratch, *t.process->memory));
    Flattening flat = flatten(row, call.args, memory);
    auto* refused = std::get_if<Refused>(&flat);
    // In which order the kernel looks at what, and whether it gets to this at all, it knows best.
    if (refused != nullptr && refused->result == -EFAULT)
        return go_home(t, row.nr, std::string(row.name) + ": an argument that can't be read");
    if (refused != nullptr) return answer(t, refused->result);
    if (auto* home = std::get_if<GoHome>(&flat)) return go_home(t, row.nr, std::string(row.name) + ": " + std::string(home->why));
    if (std::holds_alternative<RunLocally>(flat)) return let_run(t);
    return forward_call(t, &row, kind, std::move(std::get<Flattened>(flat)), std::move(then));
}

Status GuestSupervisor::forward_call(GuestThread& t, const Row* row, CallKind kind, Flattened flat, ReplyHandler then) {
    Encoded bytes = encode(flat.call);
    ByteBuffer question;
    if (row != nullptr && row->lasts != Known::Nothing) question = bytes.whole();
    if (row != nullptr && kind == CallKind::Plain && !then && !t.reissued)
        if (auto answered = answer_known(t, *row, flat, question)) return std::move(*answered);
    TRY(flush_files());
    if (row != nullptr) forget_known(t, *row);
    uint8_t again = t.reissued ? 1 : 0;
    CallHead head{.pid = t.process->pid.value, .tid = t.tid.value, .id = next_call_++, .kind = kind, .again = again};
    t.call = CallInFlight{
        head.id,         kind,          row, std::move(flat), std::move(question), bytes.size(), t.process->changes, {},
        std::move(then), monotonic_ns()};
    bool is_made_there = kind != CallKind::WatchFile && kind != CallKind::CompareFile;
    if (t.mask_to_tell && is_made_there) {
        head.sets_mask = 1;
        head.mask = *std::exchange(t.mask_to_tell, std::nullopt);
        t.call->mask_before = t.home_mask;
        set_home_mask(t, head.mask);
        t.mask_is_late = false;
    }
    t.went_home = true;
    if (answers_are_quick_) answer_is_due_ns_ = monotonic_ns() + kQuickAnswerNs;
    TRY(parts_.channel->send(static_cast<uint8_t>(FrameType::Call), head_bytes(head), bytes.parts));
    return t.signalled ? cancel_call(t) : Status();
}

// A signal waits for its end.
Status GuestSupervisor::cancel_call(const GuestThread& t) {
    if (!t.call || t.call->kind == CallKind::ExitGroup || t.call->kind == CallKind::ExitThread) return {};
    CallHead cancel{.pid = t.process->pid.value, .tid = t.tid.value, .id = t.call->id, .kind = t.call->kind};
    return parts_.channel->send(static_cast<uint8_t>(FrameType::Cancel), head_bytes(cancel));
}

Status GuestSupervisor::handle_reply(std::span<const std::byte> body) {
    TRY_ASSIGN(auto head, take_head<CallHead>(body));
    GuestThread* t = thread_of(HomePid(head.pid), HomePid(head.tid));
    if (t == nullptr || !t->call || t->call->id != head.id) return {};  // the thread was killed meanwhile
    answer_is_due_ns_ = 0;
    answers_are_quick_ = monotonic_ns() - t->began_ns < kQuickAnswerNs;
    size_t bytes = body.size();
    TRY_ASSIGN(Reply reply, decode_reply(body));
    CallInFlight call = std::move(*t->call);
    t->call.reset();
    TRY(count_at_home(*t, call, head, bytes, reply.result));
    if (call.row != nullptr) forget_known(*t, *call.row);
    if (is_restart(reply.result) && call.mask_before) {  // home may not have got to it
        set_home_mask(*t, t->home_mask | *call.mask_before);
        t->mask_is_late = true;
    }
    if (head.lasts != 0) keep_known(*t, call, reply, head.lasts == kLastsForAll);
    t->restart_is_home = reply.result == kErestartBlock;
    if (reply.result != kErestartNoIntr) t->reissued.reset();
    // In a freeze it is on its way home already, and the freeze waits for it.
    bool home_first = head.home_first != 0 && !t->process->freezing;
    if (home_first && reply.result == kErestartNoIntr && call.kind == CallKind::Clone) {
        cloning_.reset();
        TRY(go_home(*t, t->notification->nr, "more tasks than can be away"));
        return start_next_clone();
    }
    if (home_first && reply.result == kErestartNoIntr)
        return go_home(*t, t->notification->nr, "a file that it maps, or more memory than home's half of it may have");
    Status result;
    if (call.then && (call.kind == CallKind::Clone || !is_restart(reply.result))) {
        result = call.then(reply, call.sent);
    } else {
        GuestMemoryAccess memory(*t->process->memory);
        int64_t value = apply(call.sent, reply, memory);
        if (head.partial != 0 || t->transferred != 0) value = add_transferred(*t, value, head.partial != 0);
        if (home_first && !is_restart(value)) {
            t->held_result = value;
            return go_home(*t, t->notification->nr, "a file that it maps and that was changed");
        }
        result =
            call.row != nullptr && call.row->sigmask_arg != 0xff && t->signalled ? suspend_result(*t, value) : finish(*t, value);
    }
    if (!result && result.error().code() == ESRCH) return {};
    return result;
}

// The result of a call that a move cuts short or has cut short: what is left of it is asked for elsewhere, unless a
// signal has ended it.
int64_t GuestSupervisor::add_transferred(GuestThread& t, int64_t value, bool partial) {
    // EINTR: of a socket with a timeout.
    bool goes_on = (partial || is_restart(value) || value == -EINTR) && !t.signalled;
    t.transferred += static_cast<uint64_t>(std::max<int64_t>(0, value));
    if (goes_on && t.transferred != 0) return kErestartNoIntr;
    int64_t total = static_cast<int64_t>(std::exchange(t.transferred, 0));
    return total != 0 ? total : value;
}

// A result that asks for a restart is only understood by a kernel that has a signal or a stop to deal with; so the
// thread is made to stop. So is one that the freeze waits for.
Status GuestSupervisor::finish(GuestThread& t, int64_t result) {
    if (!is_restart(result) && !t.process->held()) return answer(t, result);
    TRY(stop_then(t, [this, &t] { return go_on(t); }));
    t.home_result = result;
    const Row* row = find_row(t.notification->nr);
    t.cut_short = result == -EINTR && !t.signalled && row != nullptr && row->interrupt == Interrupt::Eintr;
    return give(t, result == kErestartSys ? kErestartNoHand : result);
}

// The answer itself; never -ERESTARTSYS.
Status GuestSupervisor::give(GuestThread& t, int64_t result) {
    Notification n = *std::exchange(t.notification, std::nullopt);
    if (t.interrupted) t.given = GivenAnswer{n.nr, result};
    TRY(listener_->answer(n.id, result));
    return count_here(t, n, result);
}

// Before Linux 6.17 (and the stable kernels of that time) an answer is dropped that comes between an interruption and the
// thread's waking up from it: the kernel says -ERESTARTSYS, as for a call that nobody has received, and the call would
// be made twice. What interrupted it stops it before it is back in the program: there the answer is put in.
Status GuestSupervisor::keep_given(GuestThread& t) {
    t.interrupted = false;
    if (!t.given) return {};
    GivenAnswer given = *std::exchange(t.given, std::nullopt);
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    if (static_cast<int64_t>(r.orig_rax) != given.nr || static_cast<int64_t>(r.rax) != kErestartSys) return {};
    spdlog::debug("{}: its kernel dropped the answer to {}", t.tid.value, given.nr);
    r.rax = static_cast<uint64_t>(given.result);
    return set_registers(t.outer, r);
}

// Of calls that may go on by restart_syscall(2), only the wait for a futex is made by this kernel; the others are home's.
void GuestSupervisor::name_restarted(const GuestThread& t, Registers& r) {
    bool is_restarted = static_cast<int64_t>(r.orig_rax) == SYS_restart_syscall && static_cast<int64_t>(r.rax) == kErestartBlock;
    if (is_restarted && !t.restart_is_home) r.orig_rax = SYS_futex;
}

// Interrupted, did the call begin? A signal that comes before the notification is received makes the kernel say
// -ERESTARTSYS, which would be EINTR to the program for a call that nobody made: close() would not have closed. So
// home's own -ERESTARTSYS goes to the thread under another name, and here each gets its true one.
void GuestSupervisor::name_interruption(const GuestThread& t, Registers& r) {
    constexpr uint16_t kSyscallInstruction = 0x050f;
    if (static_cast<int64_t>(r.orig_rax) < 0) {
        bool is_about_to_reissue =
            t.reissued && t.reissued->is_at(r) && t.process->memory->get<uint16_t>(r.rip).value_or(0) == kSyscallInstruction;
        if (!is_about_to_reissue) return;
        r.orig_rax = r.rax;
        r.rax = static_cast<uint64_t>(t.reissued->result);
        r.rip += sizeof kSyscallInstruction;
        return;
    }
    const Row* row = find_row(static_cast<int64_t>(r.orig_rax));
    bool is_local = row != nullptr && row->route == Route::Local;
    if (is_local && !(t.reissued && is_wall_wait(r))) return;
    if (static_cast<int64_t>(r.rax) == kErestartSys) r.rax = static_cast<uint64_t>(kErestartNoIntr);
    bool not_made_again =
        static_cast<int64_t>(r.rax) == kErestartNoIntr && t.reissued && static_cast<int64_t>(r.orig_rax) == t.reissued->nr;
    if (not_made_again) r.rax = static_cast<uint64_t>(t.reissued->result);
    if (is_local) return;
    if (static_cast<int64_t>(r.rax) == kErestartNoHand && t.home_result == kErestartSys)
        r.rax = static_cast<uint64_t>(kErestartSys);
}

// `r`: as the thread is about to go on here. A sleep's restart block has its own way of being made again.
void GuestSupervisor::note_reissued(GuestThread& t, const Registers& r) {
    t.reissued.reset();
    auto nr = static_cast<int64_t>(r.orig_rax), result = static_cast<int64_t>(r.rax);
    const Row* row = nr < 0 ? nullptr : find_row(nr);
    if (row == nullptr) return;
    bool waited = result == kErestartSys || result == kErestartNoHand || (result == kErestartNoIntr && t.transferred != 0);
    if (waited) t.reissued = GuestThread::Reissued{nr, result, r.rip - kSyscallSize, r.rsi};
}

Status GuestSupervisor::answer(GuestThread& t, int64_t result) {
    if (t.process->held() && !is_restart(result)) return finish(t, result);
    return give(t, result);
}

// The reverse, for a call that was interrupted elsewhere.
void GuestSupervisor::hide_interruption(GuestThread& t, Registers& r) {
    bool is_notified = static_cast<int64_t>(r.orig_rax) >= 0;
    if (const Row* row = find_row(static_cast<int64_t>(r.orig_rax))) is_notified = row->route != Route::Local;
    if (!is_notified || static_cast<int64_t>(r.rax) != kErestartSys) return;
    t.home_result = kErestartSys;
    r.rax = static_cast<uint64_t>(kErestartNoHand);
}

Status GuestSupervisor::let_run(GuestThread& t) {
    // While the process is held nothing may run; the call is issued again when it goes on, wherever that is.
    if (t.process->held() && t.notification->nr != SYS_exit) return run_again(t);
    t.reissued.reset();
    Notification n = *std::exchange(t.notification, std::nullopt);
    TRY(listener_->let_run(n.id));
    return count_here(t, n, 0);
}

Status GuestSupervisor::run_again(GuestThread& t) { return finish(t, kErestartNoIntr); }

Status GuestSupervisor::go_home(GuestThread& t, int64_t nr, const std::string& why, HomePid other) {
    if (t.wants_home) return {};
    t.wants_home = true;
    spdlog::info("process {} goes home: {}", t.process->pid.value, why);
    return parts_.channel->send(static_cast<uint8_t>(FrameType::ReturnRequest),
                                head_bytes(ReturnHead{t.process->pid.value, t.tid.value, nr, other.value, 0}),
                                std::as_bytes(std::span(why)));
}

// Home keeps the answer to sched_getaffinity; here the program runs where it asked to, as far as there are such CPUs.
Status GuestSupervisor::change_affinity(GuestThread& t, const Row& row) {
    return forward(t, row, CallKind::Plain, [this, &t](const Reply& reply, const Flattened&) -> Status {
        const auto& args = t.notification->args;
        GuestThread* target = args[0] == 0 ? &t : thread_of(t.process->pid, HomePid(static_cast<int32_t>(args[0])));
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        size_t size = std::min<size_t>(args[1], sizeof cpus);
        auto bytes = std::as_writable_bytes(std::span(&cpus, 1)).first(size);
        if (reply.result >= 0 && target != nullptr && t.process->memory->read_some(args[2], bytes) == size)
            (void)::sched_setaffinity(target->outer, sizeof cpus, &cpus);
        return finish(t, reply.result);
    });
}

// The next node has it from the image.
void GuestSupervisor::change_memory_limit(GuestProcess& p, uint32_t resource, const rlimit& wanted) {
    for (auto& l : *p.image.mutable_limits()) {
        // That on locked memory has been lifted where it does not hold for the program (CAP_IPC_LOCK).
        bool is_lifted = resource == RLIMIT_MEMLOCK && l.hard() == RLIM_INFINITY;
        if (l.resource() != resource || !is_memory_limit(resource) || is_lifted) continue;
        l.set_soft(wanted.rlim_cur);
        l.set_hard(wanted.rlim_max);
        auto set = set_memory_limit(p.outer, l);
        if (!set) spdlog::warn("limit {} of process {}: {}", resource, p.pid.value, set.error().message());
    }
}

// Limits on memory hold where the memory is; home keeps the account that the program and others read.
Status GuestSupervisor::change_limits(GuestThread& t, const Row& row) {
    return forward(t, row, CallKind::Plain, [this, &t, &row](const Reply& reply, const Flattened& sent) -> Status {
        GuestMemoryAccess memory(*t.process->memory);
        const auto& args = t.notification->args;
        bool is_self = row.nr == SYS_setrlimit || args[0] == 0 || args[0] == static_cast<uint64_t>(t.process->pid.value);
        uint64_t resource = row.nr == SYS_setrlimit ? args[0] : args[1];
        uint64_t address = row.nr == SYS_setrlimit ? args[1] : args[2];
        rlimit wanted{};
        bool is_changed = reply.result == 0 && is_self && address != 0 &&
                          memory.read(address, std::as_writable_bytes(std::span(&wanted, 1))) == sizeof wanted;
        if (is_changed && resource == RLIMIT_CPU) TRY(change_cpu_limit(*t.process, wanted.rlim_cur));
        if (is_changed) change_memory_limit(*t.process, static_cast<uint32_t>(resource), wanted);
        return finish(t, apply(sent, reply, memory));
    });
}

}  // namespace pmi

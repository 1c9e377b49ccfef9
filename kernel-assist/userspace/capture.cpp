// Capture: what ptrace and /proc tell from outside, and for the rest questions that the process's own threads ask.
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>

#include "kernel-assist/userspace/userspace_assist.h"
#include "remote/wire/xstate.h"
#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

constexpr size_t kSigactionSize = 32;  // struct kernel_sigaction of x86-64
constexpr int kSignals = 64;

template <typename T>
std::string raw(const T& value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

Status capture_pending(pid_t tid, Pending which, google::protobuf::RepeatedPtrField<std::string>* to) {
    TRY_ASSIGN(auto infos, peek_pending(tid, which));
    for (const auto& info : infos) *to->Add() = raw(info);
    return {};
}

// What can be read from outside.
Status capture_seen(pid_t pid, const FrozenThread& frozen, wire::Thread& t) {
    t.set_tid(frozen.tid);
    t.set_ended(frozen.ended);
    if (frozen.ended) return {};
    t.set_registers(raw(frozen.registers));
    t.set_signal_mask(frozen.signal_mask);
    t.set_timeout_kind(static_cast<uint32_t>(frozen.timeout.kind));
    t.set_timeout_arg(frozen.timeout.arg);
    t.set_deadline_ns(frozen.timeout.deadline_ns);
    t.set_transferred(frozen.transferred);
    cpu_set_t cpus;
    if (::sched_getaffinity(frozen.tid, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) < ::sysconf(_SC_NPROCESSORS_ONLN))
        t.set_affinity(raw(cpus));
    TRY_ASSIGN(*t.mutable_xstate(), get_xstate(frozen.tid));
    TRY_ASSIGN(auto rseq, get_rseq(frozen.tid));
    t.set_rseq_address(rseq.address);
    t.set_rseq_size(rseq.size);
    t.set_rseq_signature(rseq.signature);
    uint64_t head = 0, size = 0;
    if (::syscall(SYS_get_robust_list, frozen.tid, &head, &size) != 0)
        return fail_errno("robust list of thread {} of process {}", frozen.tid, pid);
    t.set_robust_list(head);
    t.set_robust_list_size(size);
    return {};
}

struct ThreadQuestions {
    uint64_t stack_at, tid_at, tsc_at;
    size_t stack, tid, tsc;
};
ThreadQuestions ask_thread(Batch& batch) {
    ThreadQuestions q{};
    q.stack_at = batch.space(sizeof(stack_t));
    q.tid_at = batch.space(8);
    q.stack = batch.call(SYS_sigaltstack, 0, q.stack_at);
    q.tid = batch.call(SYS_prctl, PR_GET_TID_ADDRESS, q.tid_at);
    q.tsc_at = batch.space(sizeof(uint64_t));
    q.tsc = batch.call(SYS_prctl, PR_GET_TSC, q.tsc_at);
    return q;
}
Status answer_thread(const Batch& batch, const ThreadQuestions& q, wire::Thread& t) {
    TRY(batch.check(q.stack, "read the alternate stack"));
    TRY(batch.check(q.tid, "read the TID address"));
    int tsc = PR_TSC_ENABLE;
    if (batch.result(q.tsc) == 0) std::memcpy(&tsc, batch.bytes(q.tsc_at, sizeof tsc).data(), sizeof tsc);
    if (tsc != PR_TSC_ENABLE) return fail("cantmove: it may not read the time stamp counter (PR_SET_TSC)");
    t.set_alternate_stack(batch.bytes(q.stack_at, sizeof(stack_t)));
    uint64_t address = 0;
    std::memcpy(&address, batch.bytes(q.tid_at, 8).data(), 8);
    t.set_clear_child_tid(address);
    return {};
}

// What a process is registered for: the kernel says so since Linux 6.3. Before, the barriers themselves do, with EPERM for
// those that it is not registered for.
struct Barrier {
    uint32_t command, registration;
};
constexpr Barrier kBarriers[] = {
    {MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED},
    {MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE},
    {MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ},
};
struct BarrierQuestions {
    size_t registrations;
    std::vector<size_t> barriers;
};
BarrierQuestions ask_barriers(Batch& batch) {
    constexpr uint64_t kGetRegistrations = 1 << 9;  // MEMBARRIER_CMD_GET_REGISTRATIONS
    BarrierQuestions q{batch.call(SYS_membarrier, kGetRegistrations, 0, 0), {}};
    for (const auto& b : kBarriers) q.barriers.push_back(batch.call(SYS_membarrier, b.command, 0, 0));
    return q;
}
uint32_t answer_barriers(const Batch& batch, const BarrierQuestions& q) {
    if (batch.result(q.registrations) >= 0) return static_cast<uint32_t>(batch.result(q.registrations));
    uint32_t registered = 0;
    for (size_t i = 0; i < q.barriers.size(); i++)
        if (batch.result(q.barriers[i]) == 0) registered |= kBarriers[i].registration;
    return registered;
}

// What can be set but not carried. (PR_GET_MDWE: Linux 6.3.)
struct Obstacles {
    size_t mdwe, ldt;
};
Obstacles ask_obstacles(Batch& batch) {
    constexpr uint64_t kGetMdwe = 66, kReadLdt = 0, kOneEntry = 8;
    uint64_t entry = batch.space(kOneEntry);
    return {batch.call(SYS_prctl, kGetMdwe, 0, 0, 0, 0), batch.call(SYS_modify_ldt, kReadLdt, entry, kOneEntry)};
}
Status check_obstacles(const Batch& batch, const Obstacles& o) {
    if (batch.result(o.mdwe) > 0) return fail("cantmove: it may not have memory that is written and executed (PR_SET_MDWE)");
    if (batch.result(o.ldt) > 0) return fail("cantmove: it has a local descriptor table (modify_ldt)");
    return {};
}

struct ProcessQuestions {
    uint64_t actions_at, timers_at, limits_at;
    std::vector<size_t> actions, limits;
    BarrierQuestions barriers;
    Obstacles obstacles;
    size_t brk, thp, timers[2];
};
ProcessQuestions ask_process(Batch& batch, bool limits_are_known) {
    ProcessQuestions q{};
    q.actions_at = batch.space(kSigactionSize * kSignals);
    q.timers_at = batch.space(2 * sizeof(itimerval));
    for (int s = 1; s <= kSignals; s++)
        q.actions.push_back(batch.call(SYS_rt_sigaction, static_cast<uint64_t>(s), 0,
                                       q.actions_at + static_cast<uint64_t>(s - 1) * kSigactionSize, 8));
    // prlimit from outside needs CAP_SYS_RESOURCE when the program has changed its user.
    q.limits_at = batch.space(RLIM_NLIMITS * sizeof(rlimit));
    for (uint64_t r = 0; r < RLIM_NLIMITS && !limits_are_known; r++)
        q.limits.push_back(batch.call(SYS_prlimit64, 0, r, 0, q.limits_at + r * sizeof(rlimit)));
    q.brk = batch.call(SYS_brk, 0);
    q.barriers = ask_barriers(batch);
    q.obstacles = ask_obstacles(batch);
    q.thp = batch.call(SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);
    q.timers[0] = batch.call(SYS_getitimer, ITIMER_VIRTUAL, q.timers_at);
    q.timers[1] = batch.call(SYS_getitimer, ITIMER_PROF, q.timers_at + sizeof(itimerval));
    return q;
}
Status answer_process(const Batch& batch, const ProcessQuestions& q, wire::Image& image) {
    TRY(check_obstacles(batch, q.obstacles));
    for (size_t action : q.actions) TRY(batch.check(action, "read a signal's disposition"));
    image.set_sigactions(batch.bytes(q.actions_at, kSigactionSize * kSignals));
    for (uint32_t r = 0; r < q.limits.size(); r++) {
        TRY(batch.check(q.limits[r], "read a limit"));
        rlimit limit{};
        std::memcpy(&limit, batch.bytes(q.limits_at + r * sizeof limit, sizeof limit).data(), sizeof limit);
        wire::Limit& l = *image.add_limits();
        l.set_resource(r);
        l.set_soft(limit.rlim_cur);
        l.set_hard(limit.rlim_max);
    }
    image.mutable_layout()->set_brk(static_cast<uint64_t>(batch.result(q.brk)));
    image.set_membarrier(answer_barriers(batch, q.barriers));
    image.set_thp_disable(batch.result(q.thp) > 0);
    for (uint64_t i = 0; i < 2; i++) image.add_cpu_timers(batch.bytes(q.timers_at + i * sizeof(itimerval), sizeof(itimerval)));
    return {};
}

Status capture_layout(pid_t pid, wire::Layout& l) {
    TRY_ASSIGN(ProcStat s, read_stat(pid));
    l.set_start_code(s.start_code);
    l.set_end_code(s.end_code);
    l.set_start_data(s.start_data);
    l.set_end_data(s.end_data);
    l.set_start_brk(s.start_brk);
    l.set_start_stack(s.start_stack);
    l.set_arg_start(s.arg_start);
    l.set_arg_end(s.arg_end);
    l.set_env_start(s.env_start);
    l.set_env_end(s.env_end);
    TRY_ASSIGN(*l.mutable_auxv(), read_file("/proc/" + std::to_string(pid) + "/auxv"));
    return {};
}

}  // namespace

Status UserspaceAssist::capture(const Frozen& frozen, AgentPlace agent, StopWaiter& waiter, wire::Image& image) {
    image.set_pid(frozen.pid);
    image.set_agent_base(agent.base);
    *image.mutable_xstate_layout() = local_xstate_layout();
    std::vector<pid_t> tids;
    std::vector<wire::Thread*> asked;
    for (const auto& thread : frozen.threads) {
        wire::Thread& t = *image.add_threads();
        TRY(capture_seen(frozen.pid, thread, t));
        if (thread.ended) continue;
        tids.push_back(thread.tid);
        asked.push_back(&t);
    }
    if (tids.empty()) return fail("process {} has no thread that runs", frozen.pid);
    Batch batch(tids.front(), tids.front(), agent, waiter);
    auto process_questions = ask_process(batch, image.limits_size() > 0);
    TRY(batch.run());
    TRY(answer_process(batch, process_questions, image));
    std::vector<ThreadQuestions> questions(tids.size());
    TRY(run_batches(
        tids, agent, waiter, [&](size_t i, Batch& b) { questions[i] = ask_thread(b); },
        [&](size_t i, const Batch& b) { return answer_thread(b, questions[i], *asked[i]); }));
    TRY(capture_layout(frozen.alive(), *image.mutable_layout()));
    TRY_ASSIGN(ProcStat s, read_stat(frozen.pid));
    image.set_comm(s.comm);
    auto personality = read_file("/proc/" + std::to_string(frozen.pid) + "/personality");
    if (personality) image.set_personality(std::strtoul(personality->c_str(), nullptr, 16));
    return {};
}

Status UserspaceAssist::capture_signals(const Frozen& frozen, wire::Image& image) {
    for (size_t i = 0; i < frozen.threads.size(); i++) {
        if (frozen.threads[i].ended) continue;
        auto* pending = image.mutable_threads(static_cast<int>(i))->mutable_pending();
        TRY(capture_pending(frozen.threads[i].tid, Pending::Thread, pending));
    }
    return capture_pending(frozen.alive(), Pending::Process, image.mutable_pending());
}

}  // namespace pmi

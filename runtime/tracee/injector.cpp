#include "runtime/tracee/injector.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/base/clock.h"
#include "runtime/tracee/trap_disposition.h"

namespace pmi {
namespace {

int64_t now_ms() { return monotonic_ns() / 1'000'000; }

}  // namespace

Expected<int> PlainWaiter::wait(pid_t tid, int timeout_ms) {
    int status = 0;
    if (timeout_ms < 0) {
        for (;;) {
            pid_t got = ::waitpid(tid, &status, __WALL);
            if (got == tid) return status;
            if (errno != EINTR) return fail_errno("wait for thread {}", tid);
        }
    }
    // waitpid has no timeout; a thread that is about to stop does so within microseconds, so poll with growing naps.
    int64_t deadline = now_ms() + timeout_ms;
    for (long nap_ns = 20'000;; nap_ns = std::min(nap_ns * 2, 2'000'000L)) {
        pid_t got = ::waitpid(tid, &status, __WALL | WNOHANG);
        if (got == tid) return status;
        if (got < 0 && errno != EINTR) return fail_errno("wait for thread {}", tid);
        if (now_ms() >= deadline) return fail_code(ETIMEDOUT, "thread {} does not stop", tid);
        timespec nap{0, nap_ns};
        ::nanosleep(&nap, nullptr);
    }
}

Status Injector::run_until_trap() {
    InjectedRun run(tid_);
    TRY(resume(tid_));
    for (;;) {
        TRY_ASSIGN(int status, waiter_.wait(tid_, -1));
        Stop stop = classify(status);
        if (stop.kind == Stop::Kind::Exited) return fail_code(ESRCH, "thread {} ended meanwhile", tid_);
        if (stop.kind == Stop::Kind::Signal && stop.signal == SIGTRAP) return run.end();
        TRY_ASSIGN(int signal, run.signal_after(stop));
        if (stop.kind == Stop::Kind::Signal && signal == 0) {
            auto regs = get_registers(tid_);
            return fail("thread {} got signal {} in injected code at {:#x}", tid_, stop.signal, regs ? regs->rip : 0);
        }
        TRY(resume(tid_, signal));  // after a group-stop or a pending interrupt too: the trap is what counts
    }
}

Expected<int64_t> Injector::call_at(uint64_t instruction, int64_t nr, const std::array<uint64_t, 6>& args) {
    TRY_ASSIGN(Registers saved, get_registers(tid_));
    bool keeps_ignored = ignores_trap(tid_);
    Registers r = saved;
    r.rip = instruction;
    r.rax = static_cast<uint64_t>(nr);
    r.orig_rax = static_cast<uint64_t>(-1);  // so that nothing of an interrupted call is restarted here
    r.rdi = args[0];
    r.rsi = args[1];
    r.rdx = args[2];
    r.r10 = args[3];
    r.r8 = args[4];
    r.r9 = args[5];
    TRY(set_registers(tid_, r));
    // There is no trap instruction behind someone else's `syscall`: single-step over it. The step's SIGTRAP
    // arrives after the call has returned.
    int64_t result = 0;
    InjectedRun run(tid_);
    for (int signal = 0;;) {
        TRY(single_step(tid_, signal));
        TRY_ASSIGN(int status, waiter_.wait(tid_, -1));
        Stop stop = classify(status);
        if (stop.kind == Stop::Kind::Exited) return fail_code(ESRCH, "thread {} ended meanwhile", tid_);
        TRY_ASSIGN(signal, run.signal_after(stop));
        if (signal != 0) continue;
        if (stop.kind == Stop::Kind::Signal && stop.signal != SIGTRAP)
            return fail("thread {} got signal {} in an injected call", tid_, stop.signal);
        TRY_ASSIGN(Registers after, get_registers(tid_));
        if (after.rip != instruction) {
            result = static_cast<int64_t>(after.rax);
            break;
        }
    }
    TRY(run.end());
    TRY(set_registers(tid_, saved));
    if (keeps_ignored) TRY(ignore_trap(tid_, instruction, below_stack(saved), RemoteMemory(tid_), waiter_));
    return result;
}

Status Injector::batch(uint64_t agent_base, uint64_t scratch, std::vector<BatchOp>& ops, const RemoteMemory& memory) {
    if (ops.empty()) return {};
    TRY(memory.write(scratch, std::as_bytes(std::span(ops))));
    TRY_ASSIGN(Registers saved, get_registers(tid_));
    bool keeps_ignored = ignores_trap(tid_);
    Registers r = saved;
    r.rip = agent_address(agent_base, pmi_agent_batch);
    r.r12 = scratch;
    r.r13 = ops.size();
    r.orig_rax = static_cast<uint64_t>(-1);
    TRY(set_registers(tid_, r));
    TRY(run_until_trap());
    TRY(memory.read(scratch, std::as_writable_bytes(std::span(ops))));
    TRY(set_registers(tid_, saved));
    return keeps_ignored ? ignore_trap(tid_, agent_address(agent_base, pmi_agent_syscall), scratch, memory, waiter_) : Status();
}

Expected<uint64_t> find_syscall_instruction(const RemoteMemory& memory, uint64_t start, uint64_t end) {
    std::vector<std::byte> text(end - start);
    TRY(memory.read(start, text));
    for (size_t i = 0; i + 1 < text.size(); i++)
        if (text[i] == std::byte{0x0f} && text[i + 1] == std::byte{0x05}) return start + i;
    return fail("no system call instruction in the vDSO of process {}", memory.pid());
}

}  // namespace pmi

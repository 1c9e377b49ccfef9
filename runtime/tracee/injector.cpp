#include "runtime/tracee/injector.h"

#include <signal.h>
#include <sys/syscall.h>

#include <cstring>

#include "runtime/base/log.h"
#include "runtime/tracee/trap_disposition.h"

namespace pmi {

Expected<int64_t> Injector::call_at(uint64_t instruction, int64_t nr, const std::array<uint64_t, 6>& args) {
    TRY_ASSIGN(Registers saved, get_registers(tid_));
    bool keeps_ignored = ignores_trap(tid_);
    Registers r = without_trap_flag(saved);
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
    InjectedRun run(tid_);
    TRY(step(tid_, run, waiter_));
    TRY_ASSIGN(Registers after, get_registers(tid_));
    TRY(run.end(waiter_));
    TRY(set_registers(tid_, saved));
    if (keeps_ignored) TRY(ignore_trap(tid_, instruction, below_stack(saved), RemoteMemory(tid_), waiter_));
    return static_cast<int64_t>(after.rax);
}

// The agent needs no stack, and some calls look where the stack pointer is (sigaltstack(2)).
Status Injector::begin_batch(uint64_t agent_base, uint64_t scratch, const std::vector<BatchOp>& ops, const RemoteMemory& memory) {
    TRY(memory.write(scratch, std::as_bytes(std::span(ops))));
    TRY_ASSIGN(saved_, get_registers(tid_));
    Registers r = without_trap_flag(saved_);
    r.rip = agent_address(agent_base, pmi_agent_batch);
    r.rsp = 0;
    r.r12 = scratch;
    r.r13 = ops.size();
    r.orig_rax = static_cast<uint64_t>(-1);
    TRY(set_registers(tid_, r));
    return resume(tid_);
}

Status Injector::end_batch(uint64_t agent_base, uint64_t scratch, std::vector<BatchOp>& ops, const RemoteMemory& memory) {
    InjectedRun run(tid_);
    TRY(wait_for_trap(tid_, agent_address(agent_base, pmi_agent_batch_end), run, waiter_));
    TRY(run.end(waiter_));
    TRY(memory.read(scratch, std::as_writable_bytes(std::span(ops))));
    return set_registers(tid_, saved_);
}

Status Injector::batch(uint64_t agent_base, uint64_t scratch, std::vector<BatchOp>& ops, const RemoteMemory& memory) {
    if (ops.empty()) return {};
    bool keeps_ignored = ignores_trap(tid_);
    TRY(begin_batch(agent_base, scratch, ops, memory));
    TRY(end_batch(agent_base, scratch, ops, memory));
    return keeps_ignored ? ignore_trap(tid_, agent_address(agent_base, pmi_agent_syscall), scratch, memory, waiter_) : Status();
}

}  // namespace pmi

/* The agent's code; see agent.h. Position-independent, uses no stack: it runs while every stack is being unmapped,
   and in tasks whose stack pointer means nothing. Built into the supervisors as read-only data. */
        .intel_syntax noprefix
        .section .rodata.pmi_agent, "a", @progbits
        .balign 4096
        .globl pmi_agent_begin, pmi_agent_end, pmi_agent_syscall, pmi_agent_batch, pmi_agent_batch_end, pmi_agent_loop
        .globl pmi_agent_idle_end, pmi_agent_call_begin, pmi_agent_call_end, pmi_agent_cancel

        .set SLOT_STATE, 0
        .set SLOT_NR, 8
        .set SLOT_ARGS, 16
        .set SLOT_SETS_MASK, 4
        .set SLOT_RESULT, 64
        .set SLOT_MASK, 72
        .set HEADER_WATCHERS, 4
        .set SYS_futex, 202
        .set SYS_rt_sigprocmask, 14
        .set SIG_SETMASK, 2

pmi_agent_begin:
pmi_agent_syscall:
        syscall
        int3

/* r12: struct BatchOp *, r13: count. The kernel keeps both. */
pmi_agent_batch:
        test    r13, r13
        jz      2f
1:      mov     rax, [r12]
        mov     rdi, [r12 + 8]
        mov     rsi, [r12 + 16]
        mov     rdx, [r12 + 24]
        mov     r10, [r12 + 32]
        mov     r8,  [r12 + 40]
        mov     r9,  [r12 + 48]
        syscall
        mov     [r12 + 56], rax
        add     r12, 64
        dec     r13
        jnz     1b
2:      int3
pmi_agent_batch_end:

/* rbx: struct Slot *, r14: struct AgentHeader *. */
pmi_agent_loop:
        mov     edx, [rbx + SLOT_STATE]
        cmp     edx, 1
        je      3f
        lea     rdi, [rbx + SLOT_STATE]
        xor     esi, esi                /* FUTEX_WAIT, not private: the waker is another process */
        xor     r10d, r10d
        mov     eax, SYS_futex
        syscall
pmi_agent_idle_end:
        jmp     pmi_agent_loop
3:      mov     dword ptr [rbx + SLOT_STATE], 2
pmi_agent_call_begin:
        cmp     dword ptr [rbx + SLOT_SETS_MASK], 0
        je      4f
        mov     edi, SIG_SETMASK
        lea     rsi, [rbx + SLOT_MASK]
        xor     edx, edx
        mov     r10d, 8                 /* sizeof(sigset_t), as the kernel has it */
        mov     eax, SYS_rt_sigprocmask
        syscall
        mov     dword ptr [rbx + SLOT_SETS_MASK], 0
4:      mov     rax, [rbx + SLOT_NR]
        mov     rdi, [rbx + SLOT_ARGS]
        mov     rsi, [rbx + SLOT_ARGS + 8]
        mov     rdx, [rbx + SLOT_ARGS + 16]
        mov     r10, [rbx + SLOT_ARGS + 24]
        mov     r8,  [rbx + SLOT_ARGS + 32]
        mov     r9,  [rbx + SLOT_ARGS + 40]
        syscall
pmi_agent_call_end:
        mov     [rbx + SLOT_RESULT], rax
        mov     dword ptr [rbx + SLOT_STATE], 3
        lock inc dword ptr [r14]
        cmp     dword ptr [r14 + HEADER_WATCHERS], 0
        jne     pmi_agent_loop
        mov     rdi, r14
        mov     esi, 1                  /* FUTEX_WAKE */
        mov     edx, 1
        mov     eax, SYS_futex
        syscall
        jmp     pmi_agent_loop
/* A request that was taken but whose system call has not begun: "not executed, issue it again". */
pmi_agent_cancel:
        mov     rax, -513               /* -ERESTARTNOINTR */
        jmp     pmi_agent_call_end
pmi_agent_end:
        .section .note.GNU-stack, "", @progbits

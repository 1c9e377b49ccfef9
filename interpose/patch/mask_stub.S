/* The stub of a patched rt_sigprocmask(2); see mask_stub.h. Position-independent but for its holes, the last four (or eight) bytes of the
   instructions before the labels named ..._hole. Uses no stack and changes no flags: pext, lea, not, mov and jrcxz change none. */
        .intel_syntax noprefix
        .section .rodata.pmi_mask_stub, "a", @progbits
        .balign 16
        .globl pmi_mask_stub_begin, pmi_mask_stub_call, pmi_mask_stub_syscall, pmi_mask_stub_done, pmi_mask_stub_resume_hole
        .globl pmi_mask_stub_leave_hole, pmi_mask_stub_read_unblock, pmi_mask_stub_read_set, pmi_mask_stub_told_hole
        .globl pmi_mask_stub_closed_hole, pmi_mask_stub_late_hole, pmi_mask_stub_sign_hole, pmi_mask_stub_signed
        .globl pmi_mask_stub_own_syscall, pmi_mask_stub_made, pmi_mask_stub_end

        .set SYS_rt_sigprocmask, 14
        .set HOLE, 0x7fffffff

pmi_mask_stub_begin:
        mov     rcx, rdi
        jrcxz   3f                      /* SIG_BLOCK */
        lea     rcx, [rdi - 1]
        jrcxz   1f                      /* SIG_UNBLOCK */
        lea     rcx, [rdi - 2]
        jrcxz   2f                      /* SIG_SETMASK */
pmi_mask_stub_call:
        mov     eax, SYS_rt_sigprocmask
pmi_mask_stub_syscall:
        syscall
pmi_mask_stub_done:
        lea     rcx, [rip + HOLE]       /* as the kernel leaves it */
pmi_mask_stub_resume_hole:
        .byte   0xe9                    /* jmp */
        .long   HOLE
pmi_mask_stub_leave_hole:
1:      mov     rcx, rsi
        jrcxz   3f                      /* it only asks */
pmi_mask_stub_read_unblock:
        mov     rcx, [rsi]
        jmp     4f
2:      mov     rcx, rsi
        jrcxz   3f
pmi_mask_stub_read_set:
        mov     rcx, [rsi]
        not     rcx
4:      pext    rcx, rcx, [rip + HOLE]  /* 0 if home has been told of none of the signals that would be unblocked */
pmi_mask_stub_told_hole:
        jrcxz   3f
        jmp     pmi_mask_stub_call
3:      mov     ecx, [rip + HOLE]
pmi_mask_stub_closed_hole:
        jrcxz   5f
        jmp     pmi_mask_stub_call
5:      mov     ecx, 1
        mov     [rip + HOLE], ecx
pmi_mask_stub_late_hole:
        movabs  rcx, 0x7fffffffffffffff
pmi_mask_stub_sign_hole:
        lea     rdi, [rdi + rcx]
pmi_mask_stub_signed:
        mov     eax, SYS_rt_sigprocmask
pmi_mask_stub_own_syscall:
        syscall
pmi_mask_stub_made:
        mov     edi, edi                /* as it was */
        jmp     pmi_mask_stub_done
pmi_mask_stub_end:
        .section .note.GNU-stack, "", @progbits

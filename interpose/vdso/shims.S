/* What a guest's copy of home's vDSO jumps to; see shims.h. Position-independent: everything is at a fixed distance in
   the agent's place. No SIMD. A function's `X_call` part is the system call, made with the caller's registers and stack
   as they were at the entry; so a thread that is caught there can be put back to the entry (guest_vdso.h). */
        .intel_syntax noprefix
        .section .rodata.pmi_shims, "a", @progbits
        .balign 64

        .set PAGE, 0x40800              /* kClockPageOffset - kShimsOffset */
        .set SEQUENCE, 0
        .set OFFSET_SEC, 8
        .set OFFSET_NSEC, 16
        .set SLEW_FROM, 24
        .set SLEW_LENGTH, 32
        .set SLEW_RATE, 40
        .set TAI_SEC, 48
        .set TIMEZONE, 56
        .set NODE_CLOCK_GETTIME, 64
        .set NODE_GETCPU, 72
        .set RANDOM_PARAMS, 80

        .set CLOCK_MONOTONIC, 1
        .set CLOCK_REALTIME_COARSE, 5
        .set CLOCK_MONOTONIC_COARSE, 6
        .set CLOCK_TAI, 11
        .set FAST_CLOCKS, 0x8f3         /* those that a vDSO reads: REALTIME, MONOTONIC, RAW, both COARSE, BOOTTIME, TAI */
        .set WALL_CLOCKS, 0x821         /* REALTIME, REALTIME_COARSE, TAI */
        .set SECOND, 1000000000


        .macro shim name
        .globl pmi_shim_\name
        .balign 16
pmi_shim_\name:
        .endm

/* From here on up to `stores` the stack is in use; elsewhere registers and stack are those of the entry. */
        .macro work name
        .globl pmi_shim_\name\()_work
pmi_shim_\name\()_work:
        .endm
        .macro stores name
        .globl pmi_shim_\name\()_stores
pmi_shim_\name\()_stores:
        .endm
        .macro no_work name
        work \name
        stores \name
        .endm

        .macro system_call name, nr
        .globl pmi_shim_\name\()_call, pmi_shim_\name\()_end
pmi_shim_\name\()_call:
        mov     r9, rcx                 /* the kernel keeps r9 */
        mov     eax, \nr
        syscall
pmi_shim_\name\()_end:
        ret
        .endm

        .globl pmi_shims_begin, pmi_shims_end
pmi_shims_begin:
.Lbegin:

/* Home's wall clock: rcx seconds, rax nanoseconds. edi: MONOTONIC or MONOTONIC_COARSE. rsp % 16 == 0, and 32 bytes there are
   free to use. */
        .macro read_wall
        mov     [rsp + 16], edi
        jmp     .Lwall2_\@
.Lwall1_\@:
        pause
.Lwall2_\@:
        mov     eax, [rip + .Lbegin + PAGE + SEQUENCE]
        test    al, 1
        jnz     .Lwall1_\@
        mov     [rsp + 20], eax
        mov     edi, [rsp + 16]
        mov     rsi, rsp
        call    [rip + .Lbegin + PAGE + NODE_CLOCK_GETTIME]
        mov     rcx, [rsp]
        mov     rax, [rsp + 8]
        cmp     qword ptr [rip + .Lbegin + PAGE + SLEW_LENGTH], 0
        je      .Lwall3_\@
        call    slew
.Lwall3_\@:
        add     rax, [rip + .Lbegin + PAGE + OFFSET_NSEC]
        add     rcx, [rip + .Lbegin + PAGE + OFFSET_SEC]
        mov     edx, [rip + .Lbegin + PAGE + SEQUENCE]
        cmp     edx, [rsp + 20]
        jne     .Lwall2_\@
.Lwall4_\@:
        cmp     rax, SECOND
        jl      .Lwall5_\@
        sub     rax, SECOND
        inc     rcx
        jmp     .Lwall4_\@
.Lwall5_\@:
        test    rax, rax
        jns     .Lwall6_\@
        add     rax, SECOND
        dec     rcx
        jmp     .Lwall5_\@
.Lwall6_\@:
        .endm

/* rcx seconds, rax nanoseconds of CLOCK_MONOTONIC: adds to rax what has been slewed until then. */
slew:
        imul    rdx, rcx, SECOND
        add     rdx, rax
        sub     rdx, [rip + .Lbegin + PAGE + SLEW_FROM]
        mov     rdi, [rip + .Lbegin + PAGE + SLEW_LENGTH]
        cmp     rdx, rdi
        cmovg   rdx, rdi
        xor     edi, edi
        test    rdx, rdx
        cmovs   rdx, rdi
        imul    rdx, [rip + .Lbegin + PAGE + SLEW_RATE]
        sar     rdx, 32
        add     rax, rdx
        ret

/* int clock_gettime(clockid_t, struct timespec *) */
        shim clock_gettime
        cmp     edi, CLOCK_TAI
        ja      pmi_shim_clock_gettime_call
        mov     eax, FAST_CLOCKS
        bt      eax, edi
        jnc     pmi_shim_clock_gettime_call
        mov     rdx, [rip + .Lbegin + PAGE + NODE_CLOCK_GETTIME]
        test    rdx, rdx
        jz      pmi_shim_clock_gettime_call
        mov     eax, WALL_CLOCKS
        bt      eax, edi
        jc      1f
        jmp     rdx
1:
        work clock_gettime
        sub     rsp, 56
        mov     [rsp + 32], rsi
        mov     [rsp + 40], rdi
        cmp     edi, CLOCK_REALTIME_COARSE
        mov     edi, CLOCK_MONOTONIC
        mov     eax, CLOCK_MONOTONIC_COARSE
        cmove   edi, eax
        read_wall
        mov     rdi, [rsp + 40]
        mov     rsi, [rsp + 32]
        add     rsp, 56
        stores clock_gettime
        cmp     edi, CLOCK_TAI
        jne     2f
        add     rcx, [rip + .Lbegin + PAGE + TAI_SEC]
2:      mov     [rsi], rcx
        mov     [rsi + 8], rax
        xor     eax, eax
        ret
        system_call clock_gettime, 228

/* int gettimeofday(struct timeval *, struct timezone *) */
        shim gettimeofday
        cmp     qword ptr [rip + .Lbegin + PAGE + NODE_CLOCK_GETTIME], 0
        je      pmi_shim_gettimeofday_call
        test    rdi, rdi
        jz      1f
        work gettimeofday
        sub     rsp, 56
        mov     [rsp + 32], rsi
        mov     [rsp + 40], rdi
        mov     edi, CLOCK_MONOTONIC
        read_wall
        mov     rdi, [rsp + 40]
        mov     rsi, [rsp + 32]
        add     rsp, 56
        stores gettimeofday
        imul    rax, rax, 274877907     /* / 1000 * 2^38, exact below 10^9 */
        shr     rax, 38
        mov     [rdi], rcx
        mov     [rdi + 8], rax
1:      test    rsi, rsi
        jz      2f
        mov     rax, [rip + .Lbegin + PAGE + TIMEZONE]
        mov     [rsi], rax
2:      xor     eax, eax
        ret
        system_call gettimeofday, 96

/* time_t time(time_t *) */
        shim time
        cmp     qword ptr [rip + .Lbegin + PAGE + NODE_CLOCK_GETTIME], 0
        je      pmi_shim_time_call
        work time
        sub     rsp, 56
        mov     [rsp + 32], rdi
        mov     edi, CLOCK_MONOTONIC_COARSE
        read_wall
        mov     rdi, [rsp + 32]
        add     rsp, 56
        stores time
        mov     rax, rcx
        test    rdi, rdi
        jz      1f
        mov     [rdi], rax
1:      ret
        system_call time, 201

/* int clock_getres(clockid_t, struct timespec *): home's answer. */
        shim clock_getres
        no_work clock_getres
        system_call clock_getres, 229

/* int getcpu(unsigned *, unsigned *, void *) */
        shim getcpu
        mov     rax, [rip + .Lbegin + PAGE + NODE_GETCPU]
        test    rax, rax
        jz      pmi_shim_getcpu_call
        jmp     rax
        no_work getcpu
        system_call getcpu, 309

/* ssize_t getrandom(void *, size_t, unsigned flags, void *state, size_t state_size). The state is of home's kernel and is
   left alone; what such a state has to be like (size -1, nothing else asked for) is as at home. */
        shim getrandom
        cmp     r8, -1
        jne     pmi_shim_getrandom_call
        mov     rax, rdi
        or      rax, rsi
        jnz     pmi_shim_getrandom_call
        test    edx, edx
        jnz     pmi_shim_getrandom_call
        mov     eax, [rip + .Lbegin + PAGE + RANDOM_PARAMS]
        test    eax, eax
        jz      pmi_shim_getrandom_call
        mov     [rcx], eax
        mov     rax, [rip + .Lbegin + PAGE + RANDOM_PARAMS + 4]
        mov     [rcx + 4], rax
        mov     dword ptr [rcx + 12], 0
        xor     eax, eax
        mov     [rcx + 16], rax
        mov     [rcx + 24], rax
        mov     [rcx + 32], rax
        mov     [rcx + 40], rax
        mov     [rcx + 48], rax
        mov     [rcx + 56], rax
        ret
        no_work getrandom
        system_call getrandom, 318

pmi_shims_end:
        .section .note.GNU-stack, "", @progbits

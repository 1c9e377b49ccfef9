/* CPU clocks at home: the kernel's answer plus what was used away (cpu_account.h). The C library's other
 * clocks pass by at the price of one comparison. */
#include "cpu_clock.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "cpu_account.h"
#include "raw.h"

#define EXPORT __attribute__((visibility("default")))
#define STRING(x) #x
#define VALUE(x) STRING(x)

enum { TICKS_PER_SECOND = 100 }; /* USER_HZ */
#define NSEC_PER_SEC 1000000000LL

/* Volatile: what writes it is out of the compiler's sight. */
volatile struct pmi_cpu_account pmi_cpu_account __attribute__((visibility("hidden"), section(".written_by_moves")));

__asm__(
    ".pushsection .note.pmi, \"a\", @note\n"
    ".balign 4\n"
    ".long 4, 8, " VALUE(PMI_CPU_NOTE) "\n"
    ".asciz \"PMI\"\n"
    ".quad pmi_cpu_account - .\n"
    ".popsection\n");

/* ---- the functions that ours stand before */

extern int* __errno_location(void) __attribute__((weak));

static long result_of(long result) {
    if (result >= 0 || result < -4095) return result;
    if (__errno_location) *__errno_location() = (int)-result;
    return -1;
}
static int raw_clock_gettime(clockid_t clock, struct timespec* to) {
    return (int)result_of(RAW(SYS_clock_gettime, clock, to, 0, 0, 0, 0));
}
static int raw_getrusage(int who, struct rusage* to) { return (int)result_of(RAW(SYS_getrusage, who, to, 0, 0, 0, 0)); }
static clock_t raw_times(struct tms* to) { return result_of(RAW(SYS_times, to, 0, 0, 0, 0, 0)); }

static int find_clock_gettime(clockid_t clock, struct timespec* to);

static int (*next_clock_gettime)(clockid_t, struct timespec*) = find_clock_gettime;
static int (*next_getrusage)(int, struct rusage*) = raw_getrusage;
static clock_t (*next_times)(struct tms*) = raw_times;

static const char* vdso; /* null: none */
static int (*vdso_clock_gettime)(clockid_t, struct timespec*);

static int call_vdso(clockid_t clock, struct timespec* to) { return (int)result_of(vdso_clock_gettime(clock, to)); }

/* The auxiliary vector follows the environment that the process was given: who has not asked for us at the
 * program's start has dlsym. */
static const char* vdso_after(char** envp) {
    if (!envp) return NULL;
    while (*envp) envp++;
    for (const Elf64_auxv_t* a = (const Elf64_auxv_t*)(envp + 1); a->a_type != AT_NULL; a++)
        if (a->a_type == AT_SYSINFO_EHDR) return (const char*)a->a_un.a_val;
    return NULL;
}

static void* find_in_vdso(const char* image, const char* name) {
    const Elf64_Ehdr* head = (const Elf64_Ehdr*)image;
    const Elf64_Shdr* section = (const Elf64_Shdr*)(image + head->e_shoff);
    for (int i = 0; i < head->e_shnum; i++) {
        if (section[i].sh_type != SHT_DYNSYM) continue;
        const Elf64_Sym* symbol = (const Elf64_Sym*)(image + section[i].sh_offset);
        const char* names = image + section[section[i].sh_link].sh_offset;
        for (size_t n = section[i].sh_size / sizeof *symbol; n > 0; n--, symbol++)
            if (begins_with(names + symbol->st_name, name)) return (void*)(image + symbol->st_value);
    }
    return NULL;
}

/* The first call, maybe in a signal handler: nothing is locked, and whoever else is here finds the same. */
static int find_clock_gettime(clockid_t clock, struct timespec* to) {
    int (*found)(clockid_t, struct timespec*) = raw_clock_gettime;
    if (vdso) vdso_clock_gettime = (int (*)(clockid_t, struct timespec*))find_in_vdso(vdso, "__vdso_clock_gettime");
    if (vdso_clock_gettime) found = call_vdso;
    __atomic_store_n(&next_clock_gettime, found, __ATOMIC_RELEASE);
    return found(clock, to);
}

extern struct r_debug _r_debug __attribute__((weak));
extern const char linker_made_dynamic[] __asm__("_DYNAMIC") __attribute__((visibility("hidden")));

int has_glibc(void) { return &_r_debug != NULL; }

/* Does the C library come right behind us, where the loader looks for symbols? */
static int libc_is_next(void) {
    if (!has_glibc()) return 0;
    const struct link_map* map = _r_debug.r_map;
    while (map && (const char*)map->l_ld != linker_made_dynamic) map = map->l_next;
    if (!map || !map->l_next) return 0;
    const char *name = map->l_next->l_name, *last = name;
    for (; *name; name++)
        if (*name == '/') last = name + 1;
    return begins_with(last, "libc.so.6");
}

extern void* dlsym(void* restrict, const char* restrict) __attribute__((weak));

/* In most programs nothing but the C library can be meant, which does what the vDSO and the kernel say: then dlsym, which
 * costs more than all the rest of the start, is not asked. Before glibc 2.34 it is in a library that few programs have. */
void find_next_clocks(char** envp) {
    vdso = vdso_after(envp);
    if (!dlsym || libc_is_next()) return;
    void* found;
    if ((found = dlsym(RTLD_NEXT, "clock_gettime"))) next_clock_gettime = (int (*)(clockid_t, struct timespec*))found;
    if ((found = dlsym(RTLD_NEXT, "getrusage"))) next_getrusage = (int (*)(int, struct rusage*))found;
    if ((found = dlsym(RTLD_NEXT, "times"))) next_times = (clock_t(*)(struct tms*))found;
}

/* ---- the account */

static uint32_t generation(void) { return __atomic_load_n(&pmi_cpu_account.generation, __ATOMIC_ACQUIRE); }

static int has_account(void) {
    return pmi_cpu_account.pid != 0 && pmi_cpu_account.pid == (int32_t)RAW(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static int64_t of_process(void) { return has_account() ? pmi_cpu_account.user_ns + pmi_cpu_account.system_ns : 0; }

/* tid 0: the calling thread. */
static int64_t of_thread(int32_t tid) {
    if (!has_account()) return 0;
    if (tid == 0) tid = (int32_t)RAW(SYS_gettid, 0, 0, 0, 0, 0, 0);
    for (uint32_t i = 0; i < pmi_cpu_account.threads && i < PMI_CPU_THREADS; i++)
        if (pmi_cpu_account.thread[i].tid == tid) return pmi_cpu_account.thread[i].ns;
    return 0;
}

/* A clock of a number: ~PID << 3 | kind, bit 2 for a thread's; kind 3 is no CPU clock. PID 0 is the caller.
 */
static int64_t of_clock(clockid_t clock) {
    if (clock == CLOCK_PROCESS_CPUTIME_ID) return of_process();
    if (clock == CLOCK_THREAD_CPUTIME_ID) return of_thread(0);
    if ((clock & 3) == 3) return 0;
    int32_t id = ~(clock >> 3);
    if (clock & 4) return of_thread(id);
    if (id != 0 && id != pmi_cpu_account.pid) return 0;
    return of_process();
}

/* ---- ours */

static __attribute__((noinline)) int read_cpu_clock(clockid_t clock, struct timespec* to) {
    uint32_t seen;
    int64_t away;
    int result;
    do {
        seen = generation();
        away = of_clock(clock);
        result = next_clock_gettime(clock, to);
    } while (generation() != seen);
    if (result != 0 || away == 0) return result;
    int64_t ns = to->tv_nsec + away;
    to->tv_sec += ns / NSEC_PER_SEC;
    to->tv_nsec = ns % NSEC_PER_SEC;
    return 0;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec* to) {
    /* 2 and 3 (process, thread) become 0 and 1; the other fixed clocks stay above, numbered ones below. */
    if (__builtin_expect((clock ^ 2) < 2, 0)) return read_cpu_clock(clock, to);
    return next_clock_gettime(clock, to);
}

EXPORT clock_t clock(void) {
    struct timespec t;
    if (read_cpu_clock(CLOCK_PROCESS_CPUTIME_ID, &t) != 0) return (clock_t)-1;
    return t.tv_sec * CLOCKS_PER_SEC + t.tv_nsec / (NSEC_PER_SEC / CLOCKS_PER_SEC);
}

static void add(struct timeval* t, int64_t ns) {
    int64_t us = t->tv_usec + ns / 1000;
    t->tv_sec += us / 1000000;
    t->tv_usec = us % 1000000;
}

EXPORT int getrusage(int who, struct rusage* to) {
    uint32_t seen;
    int64_t user = 0, system = 0;
    int result;
    do {
        seen = generation();
        if (who == RUSAGE_SELF && has_account()) {
            user = pmi_cpu_account.user_ns;
            system = pmi_cpu_account.system_ns;
        } else {
            user = who == RUSAGE_THREAD ? of_thread(0) : 0;
            system = 0;
        }
        result = next_getrusage(who, to);
    } while (generation() != seen);
    if (result != 0) return result;
    add(&to->ru_utime, user);
    add(&to->ru_stime, system);
    return 0;
}

EXPORT clock_t times(struct tms* to) {
    uint32_t seen;
    int has;
    int64_t user, system;
    clock_t result;
    do {
        seen = generation();
        has = has_account();
        user = pmi_cpu_account.user_ns;
        system = pmi_cpu_account.system_ns;
        result = next_times(to);
    } while (generation() != seen);
    if (result == (clock_t)-1 || !has || !to) return result;
    to->tms_utime += user / (NSEC_PER_SEC / TICKS_PER_SECOND);
    to->tms_stime += system / (NSEC_PER_SEC / TICKS_PER_SECOND);
    return result;
}

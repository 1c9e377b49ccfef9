/* System calls and strings without a C library. libpmi.so is loaded into every dynamic program, whatever its
 * libc: it needs none of its own, and in a signal handler nothing else would be safe. Results are the
 * kernel's: -errno. */
#ifndef PMI_PRELOAD_RAW_H
#define PMI_PRELOAD_RAW_H
#include <stddef.h>

static inline long raw6(long nr, long a, long b, long c, long d, long e, long f) {
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return ret;
}
#define RAW(nr, a, b, c, d, e, f) raw6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline size_t length_of(const char* s) {
    size_t n = 0;
    while (s[n]) n++;
    return n;
}

static inline int begins_with(const char* s, const char* prefix) {
    while (*prefix)
        if (*s++ != *prefix++) return 0;
    return 1;
}

#endif

// Helpers for the test programs in this folder. Each program is a plain Linux program about one behaviour: it
// sets up state, does its work with MIGRATE_POINT() between the steps, checks everything exactly, and ends in
// test_done(), which prints EXIT-SUCCESS. It must pass natively before it says anything about anybody else.
//
// MIGRATE_POINT() does nothing unless the environment variable PMI_MIGRATE_POINT names an AF_UNIX stream
// socket (a path, or '@' and an abstract name). Then it connects, sends "PID LINE\n", and waits for one byte:
// whoever listens may move the process meanwhile. It uses raw system calls only, so that errno, TLS and
// glibc's locks stay as they are, and works in any thread, in signal handlers and in raw clones.
#ifndef PMI_TEST_H
#define PMI_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused))
#define NSEC_PER_SEC 1000000000LL
#define NSEC_PER_MSEC 1000000LL

// ---- failing
// ---------------------------------------------------------------------------------------------------

MAYBE_UNUSED static void __attribute__((noreturn, format(printf, 3, 4)))
pmi_fail(const char* file, int line, const char* format, ...) {
    char text[1024];
    const char* base = strrchr(file, '/');
    int length = snprintf(text, sizeof text, "%s:%d: ", base ? base + 1 : file, line);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(text + length, sizeof text - (size_t)length - 1, format, args);
    va_end(args);
    length += more;
    if (length > (int)sizeof text - 2) length = (int)sizeof text - 2;
    text[length++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, text, (size_t)length);
    (void)ignored;
    _exit(1);
}

#define FAIL(...) pmi_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)                                               \
    do {                                                          \
        if (!(cond)) FAIL("failed: %s (errno %d)", #cond, errno); \
    } while (0)

#define CHECK_EQ(a, b)                                                                   \
    do {                                                                                 \
        long long pmi_a_ = (long long)(a), pmi_b_ = (long long)(b);                      \
        if (pmi_a_ != pmi_b_) FAIL("%s is %lld, not %s = %lld", #a, pmi_a_, #b, pmi_b_); \
    } while (0)

#define CHECK_STR(a, b)                                                                                 \
    do {                                                                                                \
        const char *pmi_a_ = (a), *pmi_b_ = (b);                                                        \
        if (strcmp(pmi_a_, pmi_b_) != 0) FAIL("%s is \"%s\", not %s = \"%s\"", #a, pmi_a_, #b, pmi_b_); \
    } while (0)

// A call that returns -1 and sets errno when it fails; gives its result.
#define CHECK_SYS(call)                                                \
    ({                                                                 \
        long pmi_result_ = (long)(call);                               \
        if (pmi_result_ == -1) FAIL("%s: %s", #call, strerror(errno)); \
        pmi_result_;                                                   \
    })

// A call that returns an error number, 0 when all is well.
#define CHECK_ZERO(call)                                                                      \
    do {                                                                                      \
        int pmi_result_ = (call);                                                             \
        if (pmi_result_ != 0) FAIL("%s: %d (%s)", #call, pmi_result_, strerror(pmi_result_)); \
    } while (0)

// A call that must fail with exactly this errno.
#define CHECK_ERRNO(call, expected)                                                                                      \
    do {                                                                                                                 \
        errno = 0;                                                                                                       \
        long pmi_result_ = (long)(call);                                                                                 \
        int pmi_errno_ = errno;                                                                                          \
        if (pmi_result_ != -1 || pmi_errno_ != (expected))                                                               \
            FAIL("%s gave %ld, errno %d (%s), not %s", #call, pmi_result_, pmi_errno_, strerror(pmi_errno_), #expected); \
    } while (0)

#define CHECK_MMAP(call)                                                    \
    ({                                                                      \
        void* pmi_map_ = (call);                                            \
        if (pmi_map_ == MAP_FAILED) FAIL("%s: %s", #call, strerror(errno)); \
        pmi_map_;                                                           \
    })

// ---- migrate points
// --------------------------------------------------------------------------------------------

static struct sockaddr_un pmi_point_address;
static socklen_t pmi_point_length;  // 0: no driver, points do nothing

__attribute__((constructor)) static void pmi_point_init(void) {
    const char* name = getenv("PMI_MIGRATE_POINT");
    if (!name || !*name) return;
    size_t length = strlen(name);
    if (length >= sizeof pmi_point_address.sun_path) FAIL("PMI_MIGRATE_POINT is too long: %s", name);
    pmi_point_address.sun_family = AF_UNIX;
    memcpy(pmi_point_address.sun_path, name, length);
    bool abstract = name[0] == '@';
    if (abstract) pmi_point_address.sun_path[0] = 0;
    pmi_point_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
}

MAYBE_UNUSED static long raw_syscall(long nr, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

MAYBE_UNUSED static void pmi_migrate_point(const char* file, int line, pid_t pid) {
    if (pmi_point_length == 0) return;
    long fd = raw_syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0, 0);
    if (fd < 0) pmi_fail(file, line, "MIGRATE_POINT: socket: error %ld", -fd);
    // Out of the way of whatever the program expects of low numbers; where the limit is lower, stay.
    long high = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 700, 0, 0, 0);
    if (high >= 0) {
        raw_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
        fd = high;
    }
    long result;
    do result = raw_syscall(SYS_connect, fd, (long)&pmi_point_address, pmi_point_length, 0, 0, 0);
    while (result == -EINTR);
    if (result < 0 && result != -EISCONN) pmi_fail(file, line, "MIGRATE_POINT: connect: error %ld", -result);

    char text[40];
    int at = (int)sizeof text;
    text[--at] = '\n';
    int number = line;
    do text[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    text[--at] = ' ';
    number = pid ? pid : (int)raw_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
    do text[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    long length = (long)sizeof text - at;
    do result = raw_syscall(SYS_sendto, fd, (long)(text + at), length, MSG_NOSIGNAL, 0, 0);
    while (result == -EINTR);
    if (result != length) pmi_fail(file, line, "MIGRATE_POINT: send: result %ld", result);

    char byte;
    do result = raw_syscall(SYS_read, fd, (long)&byte, 1, 0, 0, 0);
    while (result == -EINTR);
    if (result != 1) pmi_fail(file, line, "MIGRATE_POINT: the driver answered with %ld", result);
    raw_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

#define MIGRATE_POINT() pmi_migrate_point(__FILE__, __LINE__, 0)
// Another process of the job moves.
#define MIGRATE_POINT_OF(pid) pmi_migrate_point(__FILE__, __LINE__, pid)

// A point reached by another thread while the caller is blocked in the call under test. With no driver the
// thread is made all the same, so that the program has one shape. It has every signal blocked.
typedef struct {
    pthread_t thread;
    const char* file;
    int line, delay_ms;
} LaterPoint;

MAYBE_UNUSED static void* later_point_main(void* argument) {
    LaterPoint* later = argument;
    struct timespec delay = {later->delay_ms / 1000, later->delay_ms % 1000 * NSEC_PER_MSEC};
    nanosleep(&delay, NULL);
    pmi_migrate_point(later->file, later->line, 0);
    return NULL;
}

MAYBE_UNUSED static void later_point_start(LaterPoint* later, const char* file, int line, int delay_ms) {
    sigset_t all, old;
    sigfillset(&all);
    later->file = file;
    later->line = line;
    later->delay_ms = delay_ms;
    CHECK_ZERO(pthread_sigmask(SIG_SETMASK, &all, &old));
    CHECK_ZERO(pthread_create(&later->thread, NULL, later_point_main, later));
    CHECK_ZERO(pthread_sigmask(SIG_SETMASK, &old, NULL));
}

#define MIGRATE_POINT_LATER(later, delay_ms) later_point_start((later), __FILE__, __LINE__, (delay_ms))
MAYBE_UNUSED static void later_point_join(LaterPoint* later) { CHECK_ZERO(pthread_join(later->thread, NULL)); }

// ---- time
// ------------------------------------------------------------------------------------------------------

MAYBE_UNUSED static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    CHECK_SYS(clock_gettime(clock, &now));
    return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}
MAYBE_UNUSED static int64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
MAYBE_UNUSED static struct timespec to_timespec(int64_t ns) { return (struct timespec){ns / NSEC_PER_SEC, ns % NSEC_PER_SEC}; }
MAYBE_UNUSED static void sleep_ms(int ms) {  // goes on after a handler, the deadline is kept
    struct timespec deadline = to_timespec(now_ns() + ms * NSEC_PER_MSEC);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR) {
    }
}

// What waits for `timeout_ms` neither ends early nor more than 1.5 s late. `slack_ms`: how early is allowed.
#define CHECK_ELAPSED_SLACK(start_ns, timeout_ms, slack_ms)                                                                     \
    do {                                                                                                                        \
        int64_t pmi_elapsed_ = now_ns() - (start_ns);                                                                           \
        if (pmi_elapsed_ < ((timeout_ms) - (slack_ms)) * NSEC_PER_MSEC || pmi_elapsed_ > ((timeout_ms) + 1500) * NSEC_PER_MSEC) \
            FAIL("waited %.3f ms, not %lld ms", (double)pmi_elapsed_ / 1e6, (long long)(timeout_ms));                           \
    } while (0)
// Two machines' clocks agree to half a round trip.
#define CHECK_ELAPSED(start_ns, timeout_ms) CHECK_ELAPSED_SLACK(start_ns, timeout_ms, 1)

// Waits for a condition that another thread or process brings about.
#define WAIT_FOR(cond)                                                     \
    do {                                                                   \
        int64_t pmi_limit_ = now_ns() + 20 * NSEC_PER_SEC;                 \
        while (!(cond)) {                                                  \
            if (now_ns() > pmi_limit_) FAIL("never came true: %s", #cond); \
            struct timespec pmi_pause_ = {0, NSEC_PER_MSEC};               \
            nanosleep(&pmi_pause_, NULL);                                  \
        }                                                                  \
    } while (0)

// ---- children
// --------------------------------------------------------------------------------------------------

// Waits for the child and gives its wait status.
MAYBE_UNUSED static int wait_status(pid_t pid) {
    int status;
    pid_t result;
    do result = waitpid(pid, &status, 0);
    while (result == -1 && errno == EINTR);
    if (result != pid) FAIL("waitpid(%d) gave %d: %s", pid, result, strerror(errno));
    return status;
}

#define CHECK_EXITED(pid, code)                                                          \
    do {                                                                                 \
        int pmi_status_ = wait_status(pid);                                              \
        if (!WIFEXITED(pmi_status_) || WEXITSTATUS(pmi_status_) != (code))               \
            FAIL("child ended with status 0x%x, not exit code %d", pmi_status_, (code)); \
    } while (0)
#define CHECK_KILLED(pid, sig)                                                       \
    do {                                                                             \
        int pmi_status_ = wait_status(pid);                                          \
        if (!WIFSIGNALED(pmi_status_) || WTERMSIG(pmi_status_) != (sig))             \
            FAIL("child ended with status 0x%x, not signal %d", pmi_status_, (sig)); \
    } while (0)

// ---- files
// -----------------------------------------------------------------------------------------------------

static char pmi_scratch[PATH_MAX];
static pid_t pmi_scratch_owner;

MAYBE_UNUSED static void pmi_remove_tree(int parent, const char* name) {
    if (unlinkat(parent, name, 0) == 0) return;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR* dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir) {
        fchmod(fd, 0700);
        for (struct dirent* entry; (entry = readdir(dir));)
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) pmi_remove_tree(fd, entry->d_name);
        closedir(dir);
    }
    unlinkat(parent, name, AT_REMOVEDIR);
}

// Makes a scratch directory, removed by test_done() or test_skip(), and enters it. Gives its absolute name.
MAYBE_UNUSED static const char* enter_scratch(void) {
    const char* base = getenv("TMPDIR");
    char made[PATH_MAX - 64];
    snprintf(made, sizeof made, "%s/pmi-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(made)) FAIL("mkdtemp %s: %s", made, strerror(errno));
    if (!realpath(made, pmi_scratch)) FAIL("realpath %s: %s", made, strerror(errno));
    pmi_scratch_owner = getpid();
    CHECK_SYS(chdir(pmi_scratch));
    return pmi_scratch;
}

MAYBE_UNUSED static void pmi_leave_scratch(void) {
    if (!pmi_scratch[0] || pmi_scratch_owner != getpid()) return;
    int ignored = chdir("/");
    (void)ignored;
    pmi_remove_tree(AT_FDCWD, pmi_scratch);
}

MAYBE_UNUSED static void write_all(int fd, const void* data, size_t length) {
    for (size_t done = 0; done < length;) done += (size_t)CHECK_SYS(write(fd, (const char*)data + done, length - done));
}
MAYBE_UNUSED static void read_all(int fd, void* data, size_t length) {
    for (size_t done = 0; done < length;) {
        long got = CHECK_SYS(read(fd, (char*)data + done, length - done));
        if (got == 0) FAIL("end of file after %zu of %zu bytes", done, length);
        done += (size_t)got;
    }
}
// A whole small file as text; for /proc and for checks.
MAYBE_UNUSED static size_t slurp(const char* path, char* buffer, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) FAIL("open %s: %s", path, strerror(errno));
    size_t done = 0;
    for (ssize_t got; done + 1 < size && (got = read(fd, buffer + done, size - 1 - done)) != 0; done += (size_t)got)
        if (got < 0) FAIL("read %s: %s", path, strerror(errno));
    buffer[done] = 0;
    CHECK_SYS(close(fd));
    return done;
}

// ---- data
// ------------------------------------------------------------------------------------------------------

MAYBE_UNUSED static uint64_t next_random(uint64_t* state) {  // xorshift64*
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}
MAYBE_UNUSED static uint64_t hash_bytes(const void* data, size_t length) {  // FNV-1a over words, then bytes
    const unsigned char* bytes = data;
    uint64_t hash = 0xcbf29ce484222325ULL, word;
    for (; length >= 8; bytes += 8, length -= 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0x100000001b3ULL;
    }
    while (length-- > 0) hash = (hash ^ *bytes++) * 0x100000001b3ULL;
    return hash;
}

// ---- ending
// ----------------------------------------------------------------------------------------------------

MAYBE_UNUSED static void __attribute__((noreturn)) test_done(void) {
    pmi_leave_scratch();
    fflush(stdout);
    static const char text[] = "EXIT-SUCCESS\n";
    if (write(STDOUT_FILENO, text, sizeof text - 1) != (ssize_t)sizeof text - 1) _exit(1);
    exit(0);
}

MAYBE_UNUSED static void __attribute__((noreturn)) test_skip(const char* reason) {
    pmi_leave_scratch();
    printf("SKIP: %s\n", reason);
    exit(77);
}

#endif

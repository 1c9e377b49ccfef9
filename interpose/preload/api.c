/* The functions of pmi.h. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "pmi.h"
#include "raw.h"
#include "talk.h"

#define EXPORT __attribute__((visibility("default")))

/* What this process has asked for: a child begins with nothing, whatever its parent did at the moment of the fork. */
static struct {
    int owner; /* PID of who changes it, 0: nobody */
    int pid;   /* whose the count is */
    int count;
} holds;

/* The supervisor writes its JSON without spaces: its members are found by their text. */
static const char* find(const char* text, const char* what) {
    for (; *text; text++)
        if (begins_with(text, what)) return text + length_of(what);
    return NULL;
}

static int request(const char* op, const char* extra, char* answer, size_t size) {
    int n = ask(op, extra, answer, size);
    if (n == -ECONNREFUSED || n == -ENOENT) return -ENOSYS;
    if (n < 0) return n;
    return find(answer, "\"ok\":true") ? 0 : -EBUSY;
}

EXPORT int pmi_available(void) {
    char answer[512];
    return request("where", "\"x\":0", answer, sizeof answer) == 0;
}

EXPORT int pmi_where(char* name, size_t size) {
    char answer[512];
    int error = request("where", "\"x\":0", answer, sizeof answer);
    if (error) return error;
    const char* where = find(answer, "\"where\":\"");
    if (!where) return -EPROTO;
    size_t n = 0;
    while (where[n] && where[n] != '"') n++;
    if (n >= size) return -ERANGE;
    __builtin_memcpy(name, where, n);
    name[n] = 0;
    return 0;
}

EXPORT int pmi_migrate(const char* node) {
    char answer[512], extra[300] = "\"node\":\"";
    size_t at = length_of(extra);
    for (; *node; node++) {
        if (at > sizeof extra - 3) return -ENAMETOOLONG;
        if (*node == '"' || *node == '\\' || (unsigned char)*node < ' ') return -EINVAL;
        extra[at++] = *node;
    }
    extra[at++] = '"';
    extra[at] = 0;
    return request("migrate", extra, answer, sizeof answer);
}

EXPORT int pmi_home(void) {
    char answer[512];
    return request("home", "\"x\":0", answer, sizeof answer);
}

/* Until the supervisor has answered: another thread's count must not stand for what is not so yet. */
static void lock_holds(void) {
    int self = (int)RAW(SYS_getpid, 0, 0, 0, 0, 0, 0);
    for (;;) {
        int seen = 0;
        if (__atomic_compare_exchange_n(&holds.owner, &seen, self, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) break;
        /* The parent's thread that had it at the fork is not here. */
        if (seen != self && __atomic_compare_exchange_n(&holds.owner, &seen, self, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) break;
        RAW(SYS_futex, &holds.owner, FUTEX_WAIT_PRIVATE, self, 0, 0, 0);
    }
    if (holds.pid != self) holds.count = 0;
    holds.pid = self;
}

static void unlock_holds(void) {
    __atomic_store_n(&holds.owner, 0, __ATOMIC_SEQ_CST);
    RAW(SYS_futex, &holds.owner, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

EXPORT int pmi_hold(void) {
    char answer[512];
    lock_holds();
    int error = holds.count > 0 ? 0 : request("hold", "\"hold\":true", answer, sizeof answer);
    if (!error) holds.count++;
    unlock_holds();
    return error;
}

EXPORT int pmi_release(void) {
    char answer[512];
    int error = 0;
    lock_holds();
    if (holds.count == 0) error = -EINVAL;
    if (!error && --holds.count == 0) error = request("hold", "\"hold\":false", answer, sizeof answer);
    unlock_holds();
    return error;
}

EXPORT int pmi_notify(int signal) {
    char answer[512], extra[] = "\"signal\":00";
    if (signal < 0 || signal > 64) return -EINVAL;
    size_t end = sizeof extra - 1;
    extra[end - 1] = (char)('0' + signal % 10);
    extra[end - 2] = signal < 10 ? ' ' : (char)('0' + signal / 10); /* JSON has no leading zeros */
    return request("notify", extra, answer, sizeof answer);
}

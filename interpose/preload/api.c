/* The functions of pmi.h. */
#include <errno.h>

#include "pmi.h"
#include "raw.h"
#include "talk.h"

#define EXPORT __attribute__((visibility("default")))

static int holds;

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

EXPORT int pmi_hold(void) {
    char answer[512];
    if (__atomic_fetch_add(&holds, 1, __ATOMIC_SEQ_CST) > 0) return 0;
    int error = request("hold", "\"hold\":true", answer, sizeof answer);
    if (error) __atomic_fetch_sub(&holds, 1, __ATOMIC_SEQ_CST);
    return error;
}

EXPORT int pmi_release(void) {
    char answer[512];
    if (__atomic_load_n(&holds, __ATOMIC_SEQ_CST) == 0) return -EINVAL;
    if (__atomic_sub_fetch(&holds, 1, __ATOMIC_SEQ_CST) > 0) return 0;
    return request("hold", "\"hold\":false", answer, sizeof answer);
}

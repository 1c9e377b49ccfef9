#include "talk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "raw.h"

/* Within one page with the rest of the library's data: arrays for the longest path would make each exec map one more
 * page. A path that is longer than sun_path, which is rare, gets memory of its own, and is split beforehand: the signal handler
 * may run on an alternate stack of 2 KiB, and has no room for it. */
static char short_path[sizeof((struct sockaddr_un*)0)->sun_path];
static const char* control_path; /* null: no job */
static const char* directory;    /* of a long path, with its '/' at the end */
static const char* name;         /* of a long path, within control_path, after the last '/' */

static void set_long_path(const char* path, size_t n) {
    const size_t most = 4096;
    size_t slash = n;
    if (n >= most) return;
    char* room = (char*)RAW(SYS_mmap, 0, 2 * most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ((unsigned long)room > -4096UL) return; /* -errno */
    while (slash > 0 && path[slash] != '/') slash--;
    __builtin_memcpy(room, path, n + 1);
    __builtin_memcpy(room + most, path, slash + 1);
    directory = room + most;
    name = room + slash + 1;
    control_path = room;
}

void set_control_path(const char* path) {
    size_t n = length_of(path);
    if (n >= sizeof short_path) {
        set_long_path(path, n);
        return;
    }
    __builtin_memcpy(short_path, path, n + 1);
    control_path = short_path;
}

int has_control_path(void) { return control_path != NULL; }

static char* put(char* to, char* end, const char* text) {
    while (*text && to < end) *to++ = *text++;
    return to;
}

static char* put_number(char* to, char* end, unsigned long n) {
    char digits[24], *d = digits + sizeof digits;
    *--d = 0;
    do *--d = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    return put(to, end, d);
}

/* A path that is too long for sun_path is reached through its directory's descriptor. Returns that, or -1. */
static int address_of(struct sockaddr_un* address) {
    char* end = address->sun_path + sizeof address->sun_path - 1;
    address->sun_family = AF_UNIX;
    if (name == NULL) {
        *put(address->sun_path, end, control_path) = 0;
        return -1;
    }
    int fd = (int)RAW(SYS_openat, AT_FDCWD, directory, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
    char* to = put(address->sun_path, end, "/proc/self/fd/");
    to = put_number(to, end, (unsigned long)(fd < 0 ? 0 : fd));
    to = put(put(to, end, "/"), end, name);
    *to = 0;
    return fd;
}

int connect_to_supervisor(void) {
    struct sockaddr_un address;
    if (!has_control_path()) return -ENOSYS;
    int fd = (int)RAW(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
    if (fd < 0) return fd;
    __builtin_memset(&address, 0, sizeof address);
    int way = address_of(&address);
    long error = RAW(SYS_connect, fd, &address, sizeof address, 0, 0, 0);
    if (way >= 0) RAW(SYS_close, way, 0, 0, 0, 0, 0);
    if (error == 0) return fd;
    RAW(SYS_close, fd, 0, 0, 0, 0, 0);
    return (int)error;
}

static int send_request(const char* op, const char* extra) {
    char line[512], *end = line + sizeof line, *to = line;
    int fd = connect_to_supervisor();
    if (fd < 0) return fd;
    to = put(to, end, "{\"op\":\"");
    to = put(to, end, op);
    to = put(to, end, "\",\"pid\":");
    to = put_number(to, end, (unsigned long)RAW(SYS_getpid, 0, 0, 0, 0, 0, 0));
    to = put(to, end, ",");
    to = put(to, end, extra);
    to = put(to, end, "}\n");
    long sent = to == end ? -EMSGSIZE : RAW(SYS_sendto, fd, line, to - line, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    if (sent == to - line) return fd;
    RAW(SYS_close, fd, 0, 0, 0, 0, 0);
    return sent < 0 ? (int)sent : -EAGAIN;
}

int post(const char* op, const char* extra) {
    int fd = send_request(op, extra);
    if (fd < 0) return fd;
    RAW(SYS_close, fd, 0, 0, 0, 0, 0);
    return 0;
}

/* While it waits here the process may be moved: its socket stays at home, and the answer finds it. */
int ask(const char* op, const char* extra, char* answer, size_t size) {
    size_t have = 0;
    int fd = send_request(op, extra);
    if (fd < 0) return fd;
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        long n = RAW(SYS_poll, &p, 1, -1, 0, 0, 0);
        if (n == -EINTR) continue;
        n = RAW(SYS_recvfrom, fd, answer + have, size - 1 - have, MSG_DONTWAIT, 0, 0);
        if (n == -EINTR || n == -EAGAIN) continue;
        if (n > 0) have += (size_t)n;
        if (n > 0 && answer[have - 1] != '\n' && have < size - 1) continue;
        RAW(SYS_close, fd, 0, 0, 0, 0, 0);
        answer[have] = 0;
        return n < 0 ? (int)n : have == 0 ? -ECONNRESET : (int)have;
    }
}

// Large blocking transfers by every call that makes them, through pipes and stream sockets that are always full: each
// gives the whole count, and the bytes come in order, once.
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "pmi_test.h"
enum { SIZE = 6 << 20, PARTS = 24 };
static char* data;
static int out, in;
static void* reader(void* unused) {
    char* back = malloc(SIZE);
    CHECK(back != NULL);
    size_t done = 0;
    for (size_t rounds = 0; done < SIZE; rounds++) {
        if (rounds % 40 == 20) MIGRATE_POINT();
        long got = CHECK_SYS(read(in, back + done, SIZE - done < 70000 ? SIZE - done : 70000));
        CHECK(got > 0);
        done += (size_t)got;
    }
    CHECK_ZERO(memcmp(back, data, SIZE));
    free(back);
    return unused;
}
static void fill(struct iovec* parts) {
    for (int i = 0; i < PARTS; i++) parts[i] = (struct iovec){data + (size_t)i * (SIZE / PARTS), SIZE / PARTS};
}
static long transfer(const char* how) {
    struct iovec parts[PARTS];
    fill(parts);
    if (!strcmp(how, "write")) return write(out, data, SIZE);
    if (!strcmp(how, "writev")) return writev(out, parts, PARTS);
    if (!strcmp(how, "send")) return send(out, data, SIZE, 0);
    if (!strcmp(how, "sendmsg")) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = PARTS};
        return sendmsg(out, &message, 0);
    }
    FILE* file = tmpfile();
    CHECK(file != NULL);
    CHECK_EQ(fwrite(data, 1, SIZE, file), SIZE);
    CHECK_ZERO(fflush(file));
    off_t offset = 0;
    long sent = sendfile(out, fileno(file), &offset, SIZE);
    CHECK_EQ(offset, SIZE);
    fclose(file);
    return sent;
}
static void round_trip(const char* how, bool use_socket) {
    int ends[2];
    CHECK_SYS(use_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends));
    in = ends[0];
    out = ends[1];
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, reader, NULL));
    CHECK_EQ(transfer(how), SIZE);
    CHECK_ZERO(pthread_join(thread, NULL));
    CHECK_SYS(close(in));
    CHECK_SYS(close(out));
}
static void* writer(void* unused) {
    for (size_t done = 0, rounds = 0; done < SIZE; done += 65536, rounds++) {
        if (rounds % 20 == 10) MIGRATE_POINT();
        CHECK_EQ(write(out, data + done, 65536), 65536);
    }
    return unused;
}
static void wait_for_all(void) {
    int ends[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    in = ends[0];
    out = ends[1];
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, writer, NULL));
    char* back = malloc(SIZE);
    CHECK(back != NULL);
    CHECK_EQ(recv(in, back, SIZE, MSG_WAITALL), SIZE);
    CHECK_ZERO(memcmp(back, data, SIZE));
    free(back);
    CHECK_ZERO(pthread_join(thread, NULL));
}
int main(void) {
    data = malloc(SIZE);
    CHECK(data != NULL);
    uint64_t seed = 7;
    for (size_t i = 0; i < SIZE; i += 8) {
        uint64_t word = next_random(&seed);
        memcpy(data + i, &word, 8);
    }
    round_trip("write", false);
    round_trip("writev", false);
    round_trip("write", true);
    round_trip("writev", true);
    round_trip("send", true);
    round_trip("sendmsg", true);
    round_trip("sendfile", true);
    wait_for_all();
    test_done();
}

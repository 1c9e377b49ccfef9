// sendmmsg and recvmmsg: counts and lengths of each message.
#include "pmi_test.h"
int main(void) {
    int pair[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    struct mmsghdr out[5] = {0}, in[8] = {0};
    struct iovec out_vector[5], in_vector[8];
    char data[5][32], back[8][32];
    for (int i = 0; i < 5; i++) {
        memset(data[i], 'A' + i, sizeof data[i]);
        out_vector[i] = (struct iovec){data[i], (size_t)i + 1};
        out[i].msg_hdr = (struct msghdr){.msg_iov = &out_vector[i], .msg_iovlen = 1};
    }
    for (int i = 0; i < 8; i++) {
        in_vector[i] = (struct iovec){back[i], sizeof back[i]};
        in[i].msg_hdr = (struct msghdr){.msg_iov = &in_vector[i], .msg_iovlen = 1};
    }
    CHECK_EQ(sendmmsg(pair[0], out, 5, 0), 5);
    for (unsigned i = 0; i < 5; i++) CHECK_EQ(out[i].msg_len, i + 1);
    MIGRATE_POINT();
    CHECK_EQ(recvmmsg(pair[1], in, 2, 0, NULL), 2);
    MIGRATE_POINT();
    CHECK_EQ(recvmmsg(pair[1], in + 2, 6, MSG_WAITFORONE, NULL), 3);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(in[i].msg_len, i + 1);
        for (unsigned k = 0; k <= i; k++) CHECK_EQ(back[i][k], 'A' + (int)i);
    }
    struct timespec zero = {0, 0};
    CHECK_ERRNO(recvmmsg(pair[1], in, 1, MSG_DONTWAIT, &zero), EAGAIN);
    test_done();
}

// sendfile from file to file and to a socket, with and without an offset.
#include "pmi_test.h"
#include <sys/sendfile.h>
int main(void) {
    enter_scratch();
    int in = (int)CHECK_SYS(open("in", O_RDWR | O_CREAT, 0600));
    int out = (int)CHECK_SYS(open("out", O_RDWR | O_CREAT, 0600));
    char data[10000], back[10000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 7);
    write_all(in, data, sizeof data);
    off_t offset = 1000;
    MIGRATE_POINT();
    CHECK_EQ(sendfile(out, in, &offset, 5000), 5000);
    CHECK_EQ(offset, 6000);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 10000);
    CHECK_EQ(pread(out, back, sizeof back, 0), 5000);
    CHECK(memcmp(back, data + 1000, 5000) == 0);
    CHECK_EQ(lseek(in, 9000, SEEK_SET), 9000);
    MIGRATE_POINT();
    int pair[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_EQ(sendfile(pair[0], in, NULL, 5000), 1000);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 10000);
    read_all(pair[1], back, 1000);
    CHECK(memcmp(back, data + 9000, 1000) == 0);
    CHECK_EQ(sendfile(out, in, NULL, 1), 0);
    test_done();
}

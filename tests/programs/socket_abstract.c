// Abstract AF_UNIX names: bytes with zeros, autobind, gone with the last close.
#include "pmi_test.h"
int main(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX}, name;
    int size = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "pmi-test-%d-%lld", getpid(), (long long)now_ns());
    address.sun_path[1 + size] = 0;
    address.sun_path[2 + size] = 'z';
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 3 + (size_t)size), got = sizeof name;
    int listener = (int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_SYS(bind(listener, (struct sockaddr*)&address, length));
    CHECK_SYS(listen(listener, 1));
    MIGRATE_POINT();
    CHECK_SYS(getsockname(listener, (struct sockaddr*)&name, &got));
    CHECK_EQ(got, length);
    CHECK(memcmp(&name, &address, length) == 0);
    int client = (int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_SYS(connect(client, (struct sockaddr*)&address, length));
    CHECK_SYS(close(listener));
    MIGRATE_POINT();
    int other = (int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_ERRNO(connect(other, (struct sockaddr*)&address, length), ECONNREFUSED);
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    CHECK_SYS(bind(other, (struct sockaddr*)&any, sizeof(sa_family_t)));
    got = sizeof name;
    MIGRATE_POINT();
    CHECK_SYS(getsockname(other, (struct sockaddr*)&name, &got));
    CHECK_EQ(got, sizeof(sa_family_t) + 6);
    test_done();
}

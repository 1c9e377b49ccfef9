// An AF_UNIX stream server by path: bind, listen, accept, peer credentials, names.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"}, name;
    int listener = (int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_SYS(bind(listener, (struct sockaddr*)&address, sizeof address));
    CHECK_SYS(listen(listener, 2));
    CHECK_ERRNO(bind((int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr*)&address, sizeof address), EADDRINUSE);
    MIGRATE_POINT();
    int client = (int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_SYS(connect(client, (struct sockaddr*)&address, sizeof address));
    int server = (int)CHECK_SYS(accept(listener, NULL, NULL));
    MIGRATE_POINT();
    struct ucred who;
    socklen_t length = sizeof who;
    CHECK_SYS(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &who, &length));
    CHECK_EQ(who.pid, getpid());
    CHECK_EQ(who.uid, geteuid());
    CHECK_EQ(who.gid, getegid());
    length = sizeof name;
    CHECK_SYS(getpeername(client, (struct sockaddr*)&name, &length));
    CHECK_STR(name.sun_path, "socket");
    length = sizeof name;
    CHECK_SYS(getpeername(server, (struct sockaddr*)&name, &length));
    CHECK_EQ(length, sizeof(sa_family_t));  // the client has no name
    write_all(client, "hi", 2);
    MIGRATE_POINT();
    char text[4];
    read_all(server, text, 2);
    CHECK_ERRNO(connect(client, (struct sockaddr*)&address, sizeof address), EISCONN);
    CHECK_SYS(unlink("socket"));
    CHECK_ERRNO(connect((int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr*)&address, sizeof address), ENOENT);
    test_done();
}

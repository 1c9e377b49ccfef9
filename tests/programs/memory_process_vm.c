// process_vm_readv of one's own memory and of a child's.
#include "pmi_test.h"
int main(void) {
    char source[32] = "read me", target[32] = {0};
    struct iovec local = {target, 8}, remote = {source, 8};
    MIGRATE_POINT();
    long got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (got == -1 && (errno == EPERM || errno == ENOSYS)) test_skip("process_vm_readv isn't allowed");
    CHECK_EQ(got, 8);
    CHECK_STR(target, "read me");
    int p[2], q[2];
    CHECK_SYS(pipe(p));
    CHECK_SYS(pipe(q));
    pid_t child = fork();
    if (child == 0) {
        strcpy(source, "child's");
        write_all(p[1], "x", 1);
        char byte;
        read_all(q[0], &byte, 1);
        _exit(strcmp(source, "PARENT'") == 0 ? 0 : 1);
    }
    char byte;
    read_all(p[0], &byte, 1);
    MIGRATE_POINT();
    CHECK_EQ(process_vm_readv(child, &local, 1, &remote, 1, 0), 8);
    CHECK_STR(target, "child's");
    strcpy(target, "PARENT'");
    CHECK_EQ(process_vm_writev(child, &local, 1, &remote, 1, 0), 8);
    write_all(q[1], "x", 1);
    CHECK_EXITED(child, 0);
    test_done();
}

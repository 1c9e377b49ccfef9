// A program looks into its children with process_vm_readv, and attaches to one that is stopped, as strace does. (May stay home.)
#include "pmi_test.h"
#include <sys/ptrace.h>
static volatile long variable = 1;
static pid_t child_that_waits(int read_end, int write_end) {
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child != 0) return child;
    variable = 4711;
    write_all(write_end, "x", 1);
    char byte;
    read_all(read_end, &byte, 1);
    _exit(variable == 4712 ? 3 : 4);
}
static long variable_of(pid_t child) {
    long seen = 0;
    struct iovec local = {&seen, sizeof seen}, remote = {(void*)&variable, sizeof variable};
    long got = process_vm_readv(child, &local, 1, &remote, 1, 0);
    if (got == -1 && (errno == EPERM || errno == ENOSYS)) test_skip("process_vm_readv isn't allowed");
    CHECK_EQ(got, sizeof seen);
    return seen;
}
int main(void) {
    int down[2], up[2], status;
    char byte;
    CHECK_SYS(pipe(down));
    CHECK_SYS(pipe(up));
    MIGRATE_POINT();
    pid_t child = child_that_waits(down[0], up[1]);
    read_all(up[0], &byte, 1);
    CHECK_EQ(variable_of(child), 4711);
    CHECK_SYS(kill(child, SIGSTOP));
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status));
    MIGRATE_POINT();
    pid_t stopped = child_that_waits(down[0], up[1]);
    read_all(up[0], &byte, 1);
    CHECK_SYS(kill(stopped, SIGSTOP));
    CHECK_EQ(waitpid(stopped, &status, WUNTRACED), stopped);
    CHECK_SYS(ptrace(PTRACE_SEIZE, stopped, 0, 0));
    CHECK_EQ(waitpid(stopped, &status, __WALL), stopped);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, stopped, &variable, 0), 4711);
    CHECK_SYS(ptrace(PTRACE_POKEDATA, stopped, &variable, 4712));
    CHECK_SYS(ptrace(PTRACE_DETACH, stopped, 0, 0));
    CHECK_SYS(ptrace(PTRACE_SEIZE, child, 0, 0));
    CHECK_EQ(waitpid(child, &status, __WALL), child);
    CHECK_SYS(ptrace(PTRACE_POKEDATA, child, &variable, 4712));
    CHECK_SYS(ptrace(PTRACE_DETACH, child, 0, 0));
    CHECK_SYS(kill(child, SIGCONT));
    CHECK_SYS(kill(stopped, SIGCONT));
    write_all(down[1], "xx", 2);
    CHECK_EXITED(child, 3);
    CHECK_EXITED(stopped, 3);
    test_done();
}

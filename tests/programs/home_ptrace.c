// A program that traces its child: stops, registers, memory. (May keep both at home.)
#include "pmi_test.h"
#include <sys/ptrace.h>
#include <sys/user.h>
static volatile long variable = 1234;
int main(void) {
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) == -1) _exit(77);
        raise(SIGSTOP);
        _exit(variable == 4321 ? 5 : 6);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) test_skip("ptrace isn't allowed");
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    MIGRATE_POINT();
    errno = 0;
    CHECK_EQ(ptrace(PTRACE_PEEKDATA, child, &variable, 0), 1234);
    CHECK_EQ(errno, 0);
    struct user_regs_struct registers;
    CHECK_SYS(ptrace(PTRACE_GETREGS, child, 0, &registers));
    CHECK(registers.rsp != 0);
    CHECK_SYS(ptrace(PTRACE_POKEDATA, child, &variable, 4321));
    MIGRATE_POINT();
    CHECK_SYS(ptrace(PTRACE_CONT, child, 0, 0));
    CHECK_EXITED(child, 5);
    test_done();
}

// Loaded into a program by LD_PRELOAD, where it holds the one that is called START_GATE_OF up before its main: it says on the FIFO
// START_GATE that it is there, and waits for a byte from START_GATE_OPEN. So all that it does from there on can be timed wherever it
// has been moved to meanwhile.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void wait_at_the_gate(void) {
    const char* name = getenv("START_GATE_OF");
    if (name == NULL || strcmp(name, program_invocation_short_name) != 0) return;
    int says = open(getenv("START_GATE"), O_WRONLY | O_CLOEXEC), opens = open(getenv("START_GATE_OPEN"), O_RDONLY | O_CLOEXEC);
    char c = 'r';
    if (says < 0 || opens < 0 || write(says, &c, 1) != 1) abort();
    while (read(opens, &c, 1) < 0) {
    }
    close(says);
    close(opens);
}

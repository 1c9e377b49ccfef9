// A file without a name that the program stores in through a mapping: another image is given its descriptor, maps it, and changes
// what the program has stored.
#include <spawn.h>
#include <sys/mman.h>

#include "pmi_test.h"

extern char** environ;
enum { WORDS = 1000, ROUNDS = 3 };

static int* map_words(int fd) {
    int* words = mmap(NULL, WORDS * sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(words != MAP_FAILED);
    return words;
}

int main(int argc, char** argv) {
    if (argc == 2) {  // the other image
        int* words = map_words(atoi(argv[1]));
        for (int i = 0; i < WORDS; i++) words[i] *= 2;
        return 0;
    }
    char name[] = "/tmp/pmi-test-XXXXXX";
    int fd = CHECK_SYS(mkstemp(name));
    CHECK_SYS(unlink(name));
    CHECK_SYS(ftruncate(fd, WORDS * sizeof(int)));
    int* words = map_words(fd);
    for (int round = 0; round < ROUNDS; round++) {
        MIGRATE_POINT();
        for (int i = 0; i < WORDS; i++) words[i] = i + round;
        char number[12];
        snprintf(number, sizeof number, "%d", fd);
        char* arguments[] = {argv[0], number, NULL};
        pid_t child;
        CHECK_EQ(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
        CHECK_EXITED(child, 0);
        for (int i = 0; i < WORDS; i++) CHECK_EQ(words[i], 2 * (i + round));
    }
    MIGRATE_POINT();
    test_done();
}

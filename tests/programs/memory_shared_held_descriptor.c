// A file without a name that the program stores in through a mapping: another image has had its descriptor since before the program
// moves, and maps it when it is told to.
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

static void change_when_told(int fd, int from, int to) {
    char byte = 'r';
    write_all(to, &byte, 1);
    read_all(from, &byte, 1);
    int* words = map_words(fd);
    for (int i = 0; i < WORDS; i++) words[i] *= 2;
}

int main(int argc, char** argv) {
    if (argc == 4) {  // the other image
        change_when_told(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]));
        return 0;
    }
    int orders[2], answers[2];
    CHECK_SYS(pipe(orders));
    CHECK_SYS(pipe(answers));
    char name[] = "/tmp/pmi-test-XXXXXX";
    int fd = CHECK_SYS(mkstemp(name));
    CHECK_SYS(unlink(name));
    CHECK_SYS(ftruncate(fd, WORDS * sizeof(int)));
    int* words = map_words(fd);
    for (int round = 0; round < ROUNDS; round++) {
        MIGRATE_POINT();
        char numbers[3][12], byte = 0;
        snprintf(numbers[0], sizeof numbers[0], "%d", fd);
        snprintf(numbers[1], sizeof numbers[1], "%d", orders[0]);
        snprintf(numbers[2], sizeof numbers[2], "%d", answers[1]);
        char* arguments[] = {argv[0], numbers[0], numbers[1], numbers[2], NULL};
        pid_t child;
        CHECK_EQ(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
        read_all(answers[0], &byte, 1);
        for (int i = 0; i < WORDS; i++) words[i] = i + round;
        MIGRATE_POINT();
        for (int i = 0; i < WORDS; i++) words[i] += 1;
        usleep(300000);
        write_all(orders[1], &byte, 1);
        CHECK_EXITED(child, 0);
        for (int i = 0; i < WORDS; i++) CHECK_EQ(words[i], 2 * (i + round + 1));
    }
    MIGRATE_POINT();
    test_done();
}

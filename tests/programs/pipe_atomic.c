// Four processes write records of PIPE_BUF bytes into one pipe: no record is ever mixed with another.
#include "pmi_test.h"
enum { WRITERS = 4, RECORDS = 60 };
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    pid_t children[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        children[w] = (pid_t)CHECK_SYS(fork());
        if (children[w] == 0) {
            char record[PIPE_BUF];
            for (int i = 0; i < RECORDS; i++) {
                memset(record, 'a' + w, sizeof record);
                memcpy(record, &i, sizeof i);
                CHECK_EQ(write(p[1], record, sizeof record), (long)sizeof record);
                if (i == RECORDS / 2) MIGRATE_POINT();
            }
            _exit(0);
        }
    }
    CHECK_SYS(close(p[1]));
    int next[WRITERS] = {0};
    for (int i = 0; i < WRITERS * RECORDS; i++) {
        char record[PIPE_BUF];
        read_all(p[0], record, sizeof record);
        int number, w = record[100] - 'a';
        memcpy(&number, record, sizeof number);
        CHECK(w >= 0 && w < WRITERS);
        CHECK_EQ(number, next[w]++);
        for (size_t k = sizeof number; k < sizeof record; k++) CHECK_EQ(record[k], 'a' + w);
        if (i % 80 == 0) MIGRATE_POINT();
    }
    char byte;
    CHECK_EQ(read(p[0], &byte, 1), 0);
    for (int w = 0; w < WRITERS; w++) CHECK_EXITED(children[w], 0);
    test_done();
}

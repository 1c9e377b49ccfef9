// O_APPEND: two writers in turn never overwrite each other, wherever the position is.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int a = (int)CHECK_SYS(open("log", O_WRONLY | O_CREAT | O_APPEND, 0600));
    int b = (int)CHECK_SYS(open("log", O_WRONLY | O_APPEND));
    for (int i = 0; i < 50; i++) {
        write_all(a, "A", 1);
        CHECK_EQ(lseek(b, 0, SEEK_SET), 0);
        write_all(b, "B", 1);
        if (i % 10 == 0) MIGRATE_POINT();
    }
    char text[128];
    CHECK_EQ(slurp("log", text, sizeof text), 100);
    for (int i = 0; i < 100; i++) CHECK_EQ(text[i], i % 2 ? 'B' : 'A');
    CHECK_SYS(fcntl(a, F_SETFL, 0));
    MIGRATE_POINT();
    CHECK_EQ(lseek(a, 0, SEEK_SET), 0);
    write_all(a, "Z", 1);
    CHECK_EQ(slurp("log", text, sizeof text), 100);
    CHECK_EQ(text[0], 'Z');
    test_done();
}

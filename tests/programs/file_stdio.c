// stdio buffers live in memory, positions in the kernel: both go on over points.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    FILE* file = fopen("text", "w+");
    CHECK(file != NULL);
    for (int i = 0; i < 2000; i++) {
        CHECK(fprintf(file, "line %d\n", i) > 0);
        if (i % 400 == 0) MIGRATE_POINT();
    }
    CHECK_EQ(fseek(file, 0, SEEK_SET), 0);
    char* line = NULL;
    size_t size = 0;
    for (int i = 0; i < 2000; i++) {
        char expected[32];
        int length = snprintf(expected, sizeof expected, "line %d\n", i);
        CHECK_EQ(getline(&line, &size, file), length);
        CHECK_STR(line, expected);
        if (i % 401 == 0) MIGRATE_POINT();
    }
    CHECK_EQ(getline(&line, &size, file), -1);
    CHECK(feof(file));
    free(line);
    CHECK_EQ(fclose(file), 0);
    test_done();
}

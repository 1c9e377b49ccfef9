// Pages become guard pages, are removed and written to in any order, while another thread reaches points.
#include "guard_pages.h"
enum { kPages = 256 };
static atomic_bool done;
static void* points(void* unused) {
    for (int i = 0; i < 12 && !done; i++) {
        MIGRATE_POINT();
        sleep_ms(150);
    }
    done = true;
    return unused;
}
int main(void) {
    guard_catch_faults();
    pthread_t thread;
    char* pages = CHECK_MMAP(mmap(NULL, kPages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    int values[kPages] = {0};  // -1: a guard page
    guard_install(pages, 4096);
    CHECK_ZERO(madvise(pages, 4096, kGuardRemove));
    CHECK_ZERO(pthread_create(&thread, NULL, points, NULL));
    unsigned state = 1;
    for (int round = 0; !done; round++) {
        state = state * 1103515245 + 12345;
        int first = (int)(state >> 8) % kPages, count = 1 + (int)(state >> 20) % 8, what = (int)(state >> 28) % 4;
        if (first + count > kPages) count = kPages - first;
        if (what == 0) guard_install(pages + first * 4096, (size_t)count * 4096);
        if (what == 1) CHECK_ZERO(madvise(pages + first * 4096, (size_t)count * 4096, kGuardRemove));
        for (int i = first; i < first + count; i++) {
            if (what == 0) values[i] = -1;
            if (what == 1 && values[i] < 0) values[i] = 0;
            if (what == 2 && values[i] >= 0) pages[i * 4096] = (char)(values[i] = round % 128);
            if (what == 3) {
                CHECK_EQ(guard_may_load(pages + i * 4096), values[i] >= 0);
                if (values[i] >= 0) CHECK_EQ(pages[i * 4096], values[i]);
            }
        }
    }
    done = true;
    CHECK_ZERO(pthread_join(thread, NULL));
    for (int i = 0; i < kPages; i++) {
        CHECK_EQ(guard_may_load(pages + i * 4096), values[i] >= 0);
        if (values[i] >= 0) CHECK_EQ(pages[i * 4096], values[i]);
    }
    test_done();
}

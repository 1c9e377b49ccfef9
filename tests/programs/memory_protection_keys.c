// Protection keys: what they forbid is forbidden, before a move, away and afterwards. (A program that has some stays home.)
#include "pmi_test.h"
#include <setjmp.h>
static sigjmp_buf env;
static volatile int code;
static int key;
static void on_fault(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    code = info->si_code;
    siglongjmp(env, 1);
}
static bool may_store(volatile char* at) {
    if (sigsetjmp(env, 1)) {  // a handler begins without any access (pkeys(7)), and this is still so
        CHECK_ZERO(pkey_set(key, PKEY_DISABLE_WRITE));
        return false;
    }
    *at = 5;
    return true;
}
int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK_ZERO(sigaction(SIGSEGV, &action, NULL));
    char* page = CHECK_MMAP(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(may_store(page));
    MIGRATE_POINT();
    key = pkey_alloc(0, PKEY_DISABLE_WRITE);
    if (key < 0) test_skip("no protection keys");
    CHECK_ZERO(pkey_mprotect(page, 4096, PROT_READ | PROT_WRITE, key));
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        CHECK(!may_store(page));
        CHECK_EQ(code, SEGV_PKUERR);
        CHECK_EQ(page[0], 5);
        CHECK(may_store(page + 4096));
        int other = pkey_alloc(0, 0);
        CHECK(other > 0 && other != key);
        CHECK_ZERO(pkey_free(other));
    }
    CHECK_ZERO(pkey_set(key, 0));
    CHECK(may_store(page));
    test_done();
}

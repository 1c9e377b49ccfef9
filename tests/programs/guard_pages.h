// Guard pages (madvise(2), MADV_GUARD_INSTALL, Linux 6.13), and how to find out whether a page is one.
#pragma once
#include <setjmp.h>

#include "pmi_test.h"

enum { kGuardInstall = 102, kGuardRemove = 103 };

static _Thread_local sigjmp_buf guard_env;
static void guard_on_fault(int signal) {
    (void)signal;
    siglongjmp(guard_env, 1);
}
MAYBE_UNUSED static void guard_catch_faults(void) { CHECK(signal(SIGSEGV, guard_on_fault) != SIG_ERR); }
// Whether a load from there gives something.
MAYBE_UNUSED static bool guard_may_load(volatile char* at) {
    if (sigsetjmp(guard_env, 1)) return false;
    (void)*at;
    return true;
}
// Without guard pages the test is over.
MAYBE_UNUSED static void guard_install(char* at, size_t size) {
    if (madvise(at, size, kGuardInstall) == 0) return;
    if (errno == EINVAL) test_skip("no guard pages");
    FAIL("MADV_GUARD_INSTALL: %s", strerror(errno));
}

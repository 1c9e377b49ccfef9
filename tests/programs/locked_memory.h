// How much of this process's memory is locked (VmLck in proc_pid_status(5)), in KiB.
#pragma once
#include "pmi_test.h"

MAYBE_UNUSED static long locked_kb(void) {
    char text[8192];
    slurp("/proc/self/status", text, sizeof text);
    const char* at = strstr(text, "VmLck:");
    CHECK(at != NULL);
    return strtol(at + 6, NULL, 10);
}

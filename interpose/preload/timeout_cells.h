/* What is left of a timeout when a call is made again on behalf of the program (after it was stopped, or has come home) is
 * put where nobody keeps anything: below its stack. The steering signals' handler has its frame there; when it makes the call once
 * more (interrupted_call.c) that would be gone. So at home such timeouts are kept here, in libpmi.so, together with the instant at
 * which they are over.
 *
 * Written while the thread stands still, or by the handler, which is on the thread itself. Found by an ELF note as in
 * cpu_account.h, of type PMI_TIMEOUT_NOTE. A change of the layout takes a new type. */
#ifndef PMI_PRELOAD_TIMEOUT_CELLS_H
#define PMI_PRELOAD_TIMEOUT_CELLS_H
#include <stdint.h>

#define PMI_TIMEOUT_NOTE 2
#define PMI_TIMEOUT_CELLS 128 /* a thread has the one that its TID modulo this says */

struct pmi_timeout_cell {
    int32_t tid; /* whose it is, 0: nobody's yet */
    uint32_t reserved;
    int64_t deadline_ns; /* CLOCK_MONOTONIC */
    struct {
        int64_t sec, nsec;
    } left; /* what the call is given: struct timespec */
};

#endif

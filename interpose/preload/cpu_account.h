/* CPU time that a program used away from home, kept in its own memory for libpmi.so to add at home, where its
 * kernel knows nothing of it. The worker writes it when the program settles in at home; on a node, where all
 * is counted, the guest supervisor sets `pid` to 0 before the program goes on. Both write only while every
 * thread stands still, and change `generation`: a reader that saw it change reads again.
 *
 * They find it by an ELF note of libpmi.so, in the first page of its mapping: name "PMI", type
 * PMI_CPU_NOTE, contents the distance from there to the account. A change of the layout takes a new type. */
#ifndef PMI_PRELOAD_CPU_ACCOUNT_H
#define PMI_PRELOAD_CPU_ACCOUNT_H
#include <stdint.h>

#define PMI_CPU_NOTE 1
#define PMI_CPU_THREADS 512 /* as many as can be away */

struct pmi_cpu_account {
    uint32_t generation;
    int32_t pid; /* whose it is; another's (a forked child) or 0: nothing is to be added */
    int64_t user_ns, system_ns;
    uint32_t threads; /* entries in use */
    uint32_t reserved;
    struct {
        int32_t tid;
        uint32_t reserved;
        int64_t ns;
    } thread[PMI_CPU_THREADS];
};

#endif

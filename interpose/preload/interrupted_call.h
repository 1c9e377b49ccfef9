#ifndef PMI_PRELOAD_INTERRUPTED_CALL_H
#define PMI_PRELOAD_INTERRUPTED_CALL_H
#include <ucontext.h>

/* In a signal handler, which has every signal blocked: the system call that the signal interrupted, if it gave EINTR or a
 * part of a transfer, goes on as if nothing had been. */
void resume_interrupted_call(ucontext_t* context);

#endif

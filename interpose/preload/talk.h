/* One request to the job's supervisor, and its answer (runtime/control/protocol.h). */
#ifndef PMI_PRELOAD_TALK_H
#define PMI_PRELOAD_TALK_H
#include <stddef.h>

/* The control socket's path: set once, before any request. Longer than fits: no job. */
void set_control_path(const char* path);
int has_control_path(void);

/* A connected socket, or -errno. Never waits: a supervisor whose queue is full counts as absent. */
int connect_to_supervisor(void);

/* Sends {"op":OP,"pid":own,EXTRA} and closes: for the signal handler. EXTRA is JSON text such as
 * "\"want\":\"home\"". */
int post(const char* op, const char* extra);
/* The same, then waits for the answer's line, at most `size` bytes of it into `answer`; its length, or
 * -errno. */
int ask(const char* op, const char* extra, char* answer, size_t size);

#endif

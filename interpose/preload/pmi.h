/* pmi.h - what a program may say to pmi about itself. Optional: programs move without it.
 *
 * The functions are in libpmi.so, which pmirun loads into dynamic programs. Declare them weak to run without
 * pmi too: #pragma weak pmi_available if (pmi_available && pmi_available()) ... All return 0 (or what they
 * are asked for), or a negative errno: -ENOSYS where this is no job of pmi's, -EBUSY where the supervisor
 * refused (pmictl ps and its log say why). None changes errno. All may be called from any thread.
 */
#ifndef PMI_H
#define PMI_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 1 if this process runs under pmirun and its supervisor answers, else 0. */
int pmi_available(void);

/* Where this process runs: "home" or a node's name, into `name` with a final 0. -ERANGE if it doesn't fit. */
int pmi_where(char* name, size_t size);

/* Moves this process to `node` ("HOST[:PORT]" or a configured name). Returns there when it has happened. */
int pmi_migrate(const char* node);

/* Brings this process home. Returns at once if it is there. */
int pmi_home(void);

/* From pmi_hold to pmi_release this process doesn't leave the place where it is at. Calls nest. */
int pmi_hold(void);
int pmi_release(void);

/* From now on `signal` comes to this process after each of its moves, with its number of moves so far as si_value.sival_int
 * (SI_QUEUE); 0: none any more. Not inherited by a child, and over with the next exec. -EINVAL for no signal's number. Several
 * moves may come before a signal below SIGRTMIN is taken, which then comes once, as all such. */
int pmi_notify(int signal);

#ifdef __cplusplus
}
#endif
#endif

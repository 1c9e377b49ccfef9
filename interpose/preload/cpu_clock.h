#ifndef PMI_PRELOAD_CPU_CLOCK_H
#define PMI_PRELOAD_CPU_CLOCK_H

/* To be called once, before there are threads; until then clocks are asked by raw system calls. `envp` as
 * the process was given it, or NULL. */
void find_next_clocks(char** envp);
/* Else musl, or none. */
int has_glibc(void);

#endif

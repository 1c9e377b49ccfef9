/* What the compiler may call for a copy or a fill, whatever -ffreestanding says. Hidden: the program keeps
 * its own. */
#include <stddef.h>

__attribute__((visibility("hidden"))) void* memcpy(void* restrict to, const void* restrict from, size_t n) {
    char* t = to;
    const char* f = from;
    while (n--) *t++ = *f++;
    return to;
}

__attribute__((visibility("hidden"))) void* memset(void* to, int value, size_t n) {
    char* t = to;
    while (n--) *t++ = (char)value;
    return to;
}

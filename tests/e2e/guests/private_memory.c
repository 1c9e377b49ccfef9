// Preloaded: what stress-ng's processes share between them only to be counted becomes private, so that they can move.
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void* mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
    if ((flags & MAP_ANONYMOUS) && (flags & MAP_TYPE) == MAP_SHARED) flags = (flags & ~MAP_TYPE) | MAP_PRIVATE;
    return (void*)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}
void* mmap64(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
    return mmap(address, size, protection, flags, fd, offset);
}

// The end of a command that prints.
#pragma once
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace pmi {

// What was printed to standard output, to the end just before, has to have got there: says so on standard error if it has not, and
// makes an exit status of 0 a 1. Who has closed standard output does not want it.
inline int end_output(const char* program, int status) {
    int error = std::ferror(stdout) != 0 ? errno : 0;
    if (std::fflush(stdout) != 0) error = errno;
    if (error == 0 || error == EBADF) return status;
    std::fprintf(stderr, "%s: write to standard output: %s\n", program, std::strerror(error));
    return status != 0 ? status : 1;
}

}  // namespace pmi

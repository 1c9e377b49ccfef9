#include "runtime/base/error.h"

#include <cstdio>
#include <cstring>

namespace pmi {

std::string Error::message() const {
    // Who has cancelled something says so; no system call failed.
    if (code_ == 0 || code_ == ECANCELED) return what_;
    char buffer[128];
    return what_ + ": " + strerror_r(code_, buffer, sizeof buffer);
}

void assert_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "pmi: internal error: %s at %s:%d\n", condition, file, line);
    std::abort();
}

}  // namespace pmi

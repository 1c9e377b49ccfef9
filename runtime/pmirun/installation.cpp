#include "runtime/pmirun/installation.h"

#include <limits.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>

namespace pmi::launch {
namespace {

std::string own_directory() {
    char path[PATH_MAX];
    ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
    if (n <= 0 || n == sizeof path) return {};
    std::string whole(path, static_cast<size_t>(n));
    return whole.substr(0, whole.rfind('/'));
}

std::string first_readable(std::initializer_list<const char*> candidates) {
    std::string directory = own_directory();
    for (const char* candidate : candidates) {
        std::string path = directory + "/" + candidate;
        char resolved[PATH_MAX];
        if (::realpath(path.c_str(), resolved) != nullptr && ::access(resolved, R_OK) == 0) return resolved;
    }
    return {};
}

}  // namespace

std::string find_supervisor() { return first_readable({"pmi-supervisor", PMI_LIBEXEC_FROM_BIN "/pmi-supervisor"}); }

std::string find_preload_library() { return first_readable({"libpmi.so", PMI_LIB_FROM_BIN "/libpmi.so"}); }

}  // namespace pmi::launch

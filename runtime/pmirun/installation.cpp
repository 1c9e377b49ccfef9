#include "runtime/pmirun/installation.h"

#include <limits.h>
#include <sys/stat.h>
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

bool is_link(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0 && S_ISLNK(st.st_mode);
}

}  // namespace

std::string find_supervisor() { return first_readable({"pmi-supervisor", PMI_LIBEXEC_FROM_BIN "/pmi-supervisor"}); }

// AddressSanitizer ends a program that another library precedes its own in, which it knows by its name (IsDynamicRTName in
// compiler-rt's asan_linux.cpp); ours interposes nothing that it does. So it is loaded by a link of such a name. What the kernel
// shows, and who looks for the library there, is the file's own.
std::string find_preload_library() {
    std::string library = first_readable({"libpmi.so", PMI_LIB_FROM_BIN "/libpmi.so"});
    if (library.empty()) return library;
    std::string link = library.substr(0, library.rfind('/') + 1) + "libpmi.so-beside-libasan.so";
    return is_link(link) && ::access(link.c_str(), R_OK) == 0 ? link : library;
}

}  // namespace pmi::launch

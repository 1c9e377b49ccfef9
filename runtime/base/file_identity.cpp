#include "runtime/base/file_identity.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace pmi {

std::string regular_file_identity(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return "";
    return fmt::format("{}:{}", st.st_dev, st.st_ino);
}

}  // namespace pmi

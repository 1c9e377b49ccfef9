#include "runtime/base/fd.h"

#include <fcntl.h>

namespace pmi {

Expected<Fd> open_file(const std::string& path, int flags, unsigned mode) {
    int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) return fail_errno("open {}", path);
    return Fd(fd);
}

Expected<std::string> read_file(const std::string& path) {
    TRY_ASSIGN(Fd fd, open_file(path, O_RDONLY));
    std::string text;
    char buffer[65536];
    for (;;) {
        ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read {}", path);
        if (n == 0) return text;
        text.append(buffer, static_cast<size_t>(n));
    }
}

Status write_file(const std::string& path, std::string_view text, unsigned mode) {
    TRY_ASSIGN(Fd fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
    auto written = write_all(fd.get(), text.data(), text.size());
    if (!written) return std::move(written.error()).within(path);
    return {};
}

Status write_all(int fd, const void* data, size_t size) {
    const char* p = static_cast<const char*>(data);
    while (size > 0) {
        ssize_t n = ::write(fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("write of {} bytes", size);
        p += n;
        size -= static_cast<size_t>(n);
    }
    return {};
}

Status read_all(int fd, void* data, size_t size) {
    char* p = static_cast<char*>(data);
    while (size > 0) {
        ssize_t n = ::read(fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read of {} bytes", size);
        if (n == 0) return fail("unexpected end of file, {} bytes missing", size);
        p += n;
        size -= static_cast<size_t>(n);
    }
    return {};
}

}  // namespace pmi

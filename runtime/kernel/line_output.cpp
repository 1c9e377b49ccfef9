#include "runtime/kernel/line_output.h"

#include <poll.h>
#include <unistd.h>

namespace pmi {

bool write_line(int fd, const std::string& line) {
    constexpr int kMomentMs = 20;
    pollfd p{fd, POLLOUT, 0};
    return fd >= 0 && ::poll(&p, 1, kMomentMs) > 0 && (p.revents & POLLOUT) != 0 && ::write(fd, line.data(), line.size()) > 0;
}

}  // namespace pmi

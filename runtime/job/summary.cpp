#include "runtime/job/summary.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/base/log.h"

namespace pmi::job {

void write_summary(int fd, const std::string& text) {
    constexpr int kWaitMs = 10000;
    for (size_t done = 0; done < text.size();) {
        // The file description is shared with others: not to be made non-blocking. So much doesn't block after POLLOUT.
        pollfd p{fd, POLLOUT, 0};
        if (::poll(&p, 1, kWaitMs) <= 0) return spdlog::warn("the summary is not read");
        ssize_t n = ::write(fd, text.data() + done, std::min<size_t>(text.size() - done, PIPE_BUF));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return spdlog::warn("write the summary: errno {}", errno);
        done += static_cast<size_t>(n);
    }
}

}  // namespace pmi::job

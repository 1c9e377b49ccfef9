#include "runtime/job/supervisor_log.h"

#include "runtime/base/log.h"

namespace pmi::job {

void start_log(const char* who, const SupervisorOptions& options) {
    bool wanted = !options.log.empty() && set_up_log(fmt::format("{} {}", who, options.name), options.log, options.log_level);
    if (!wanted) spdlog::set_level(spdlog::level::off);
}

void start_log_anew(const char* who, const SupervisorOptions& options) {
    // The old sink would close a descriptor that is no longer its own when it is destroyed: it is left
    // behind.
    static auto left_behind = spdlog::default_logger();
    start_log(who, options);
}

}  // namespace pmi::job

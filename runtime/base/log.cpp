#include "runtime/base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace pmi {

Status set_up_log(const std::string& who, const std::string& file, const std::string& level) {
    auto parsed = spdlog::level::from_str(level);
    if (parsed == spdlog::level::off && level != "off")
        return fail("log level {}: not one of trace, debug, info, warn, error, off", level);
    spdlog::sink_ptr sink;
    try {
        if (file.empty())
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        else
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    } catch (const spdlog::spdlog_ex& e) {
        return fail("log file {}: {}", file, e.what());
    }
    auto logger = std::make_shared<spdlog::logger>(who, sink);
    logger->set_level(parsed);
    logger->flush_on(spdlog::level::trace);
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%f %n[%P] %l: %v");
    spdlog::set_default_logger(logger);
    return {};
}

}  // namespace pmi

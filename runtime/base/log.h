// The log: spdlog's default logger, set up once by main(). Messages for people go to stderr or to a control
// reply; the log is for whoever looks for a bug.
#pragma once
#include <spdlog/spdlog.h>

#include <string>

#include "runtime/base/error.h"

namespace pmi {

// `level`: trace, debug, info, warn, error, off. `file` empty: stderr. Every line carries `who` and the PID.
Status set_up_log(const std::string& who, const std::string& file, const std::string& level);

}  // namespace pmi

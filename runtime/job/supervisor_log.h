// The supervisor's log, if one is wanted: it has no stderr.
#pragma once
#include "runtime/job/supervisor_options.h"

namespace pmi::job {

void start_log(const char* who, const SupervisorOptions& options);
// In a fork that has closed all descriptors, the log file's among them.
void start_log_anew(const char* who, const SupervisorOptions& options);

}  // namespace pmi::job

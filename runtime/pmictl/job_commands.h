// The commands about jobs and their processes. Each returns pmictl's exit status; errors are one line on
// stderr.
#pragma once
#include <optional>
#include <string>

namespace pmi::ctl {

struct JobOptions {
    std::optional<std::string> control;  // talk to this socket only
    std::string pid;                     // as typed
    std::string node;
    std::string mode = "auto";
    bool json = false;
};

int run_ps(const JobOptions& options);
int run_migrate(const JobOptions& options);
int run_home(const JobOptions& options);
int run_where(const JobOptions& options);
int run_stats(const JobOptions& options);
int run_cancel(const JobOptions& options);

}  // namespace pmi::ctl

// PROGRAM's environment: what pmirun was given, except LD_PRELOAD, PMI_JOB, and GLIBC_TUNABLES if asked for.
#pragma once
#include <string>
#include <vector>

#include "runtime/pmirun/options.h"

namespace pmi::launch {

// "NAME=value" strings in the order they came in; what is new comes last. `preload` empty: none.
std::vector<std::string> program_environment(char** inherited, const Options& options,
                                             const std::string& preload, const std::string& control_socket);

}  // namespace pmi::launch

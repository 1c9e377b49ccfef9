// PROGRAM's environment: what pmirun was given, except LD_PRELOAD, PMI_JOB, PMI_YAMA, and GLIBC_TUNABLES
// if asked for.
#pragma once
#include <string>
#include <vector>

#include "runtime/pmirun/options.h"

namespace pmi::launch {

// "NAME=value" strings in the order they came in; what is new comes last. `preload` empty: none.
// `has_yama`: the library has to ask at each exec whether the supervisor may attach.
std::vector<std::string> program_environment(char** inherited, const Options& options, const std::string& preload,
                                             const std::string& control_socket, bool has_yama);
bool kernel_has_yama();

}  // namespace pmi::launch

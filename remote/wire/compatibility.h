// Whether a program of one machine can run on another. A refusal names one reason, for the person who asked.
#pragma once
#include <cstdint>
#include <string_view>

#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"

namespace pmi {

// `memory_needed` in bytes. Both descriptions may be hostile. Register state is compared when the program stands still
// (xstate.h): before that nobody knows what is in use.
Status check_compatible(const wire::Machine& home, const wire::Machine& node, uint64_t memory_needed);

// Leaves in `home` only the features of "x86-64", "x86-64-v2", "-v3" or "-v4": for a program that was started
// with that --cpu-baseline, and whose libraries therefore don't use more.
Status limit_to_baseline(wire::Machine* home, std::string_view level);

}  // namespace pmi

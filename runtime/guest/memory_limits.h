// Limits on memory, which hold where the memory is (getrlimit(2)).
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"

namespace pmi {

bool is_memory_limit(uint32_t resource);
// Of a guest: as much as this machine may grant, and room for the agent, which is not the program's.
Status set_memory_limit(pid_t guest, const wire::Limit& limit);

}  // namespace pmi

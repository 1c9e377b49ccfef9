// The program that a guest execs before it becomes the moved program: an ELF of one page of code, the agent, at the
// agent's address, built into a memfd for each guest because the address is chosen per process.
#pragma once
#include <cstdint>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

Expected<Fd> make_stub(uint64_t agent_base);

}  // namespace pmi

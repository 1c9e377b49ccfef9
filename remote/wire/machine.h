// This machine, as it introduces itself to others.
#pragma once
#include <cstdint>
#include <string>

#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"

namespace pmi {

constexpr uint32_t kProtocolVersion = 13;  // of wire.proto; both sides must have the same

// Everything that doesn't change while the machine runs; `name` empty: the host name.
Expected<wire::Machine> describe_machine(const std::string& name);
// Load and free memory as they are now. Guests are the caller's.
void refresh_machine(wire::Machine* machine);

}  // namespace pmi

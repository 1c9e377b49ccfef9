// Why a ZMTP handshake failed: libzmq only says that it did.
#pragma once
#include <string>

#include "remote/transport/address.h"
#include "runtime/base/error.h"

namespace pmi {

// The security mechanism that the server announces: "CURVE", "NULL"...; empty when it doesn't speak ZMTP. ETIMEDOUT if it
// says nothing, or stops in the middle.
Expected<std::string> probe_mechanism(const SocketAddress& address, int timeout_ms);

}  // namespace pmi

// A move from the point of view of whoever has asked for it: shows how far it is, and gives it up at ^C.
#pragma once
#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/base/error.h"
#include "runtime/control/client.h"

namespace pmi::ctl {

// Sends `request` (migrate or home) and waits for what comes of it. On a terminal, stderr shows `what` ("38 -> big") and the
// progress meanwhile. SIGINT or SIGTERM cancel the move: it fails then, or had succeeded already. A second one is not
// waited for.
Expected<nlohmann::json> follow_move(control::ControlClient& job, pid_t pid, nlohmann::json request, const std::string& what);

}  // namespace pmi::ctl

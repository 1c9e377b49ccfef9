// Whether a job still has processes after its PROGRAM has ended.
#pragma once
#include <string>

namespace pmi::launch {

// A live process whose environment carries PMI_JOB=control_socket.
bool has_leftover_process(const std::string& control_socket);

}  // namespace pmi::launch

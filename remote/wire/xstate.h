// Register state as XSAVE writes it (the standard format, as ptrace gives and takes it): x87 and SSE are in the first 512
// bytes, a header says which components are in use, and where each of those is depends on the CPU: makers differ, and a
// component that a CPU lacks leaves no gap on some and one on others. Everything here may be a peer's.
#pragma once
#include <cstdint>
#include <string>

#include "remote/wire/image.pb.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"

namespace pmi {

using XstateLayout = google::protobuf::RepeatedPtrField<wire::Machine::XstateComponent>;

// This CPU's, of what the kernel has enabled.
XstateLayout local_xstate_layout();

// The components that hold something else than what every thread has from the beginning.
Expected<uint64_t> live_xstate(const std::string& xstate, const XstateLayout& layout);
// Whether all that the image's threads have in use is on that machine too.
Status check_live_xstate(const wire::Image& image, const wire::Machine& machine);

// The same state in another layout. Error for a live component that it does not have.
Expected<std::string> relay_xstate(const std::string& xstate, const XstateLayout& from, const XstateLayout& to);
// All threads of an image that has come from another machine, in this one's layout.
Status relay_image(wire::Image& image, const XstateLayout& to);

}  // namespace pmi

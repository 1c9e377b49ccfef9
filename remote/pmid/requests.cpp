#include "remote/pmid/requests.h"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "remote/wire/compatibility.h"
#include "remote/wire/machine.h"
#include "remote/wire/printable.h"
#include "runtime/base/clock.h"

namespace pmi {

Parsed parse_request(std::string_view bytes) {
    Parsed parsed;
    if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
        !parsed.request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        parsed.request.Clear();
        parsed.error = "malformed request";
    } else if (parsed.request.protocol_version() != kProtocolVersion) {
        parsed.error = fmt::format("protocol version differs: yours {}, this node's {} (pmi {})", parsed.request.protocol_version(),
                                   kProtocolVersion, PMI_VERSION);
    } else if (parsed.request.what_case() == wire::Request::WHAT_NOT_SET) {
        parsed.error = "unknown request";
    }
    return parsed;
}

wire::Machine machine_for_others(const wire::Machine& machine, const NodeLimits& limits, const NodeUse& use) {
    wire::Machine shown = machine;
    shown.set_guests(use.guests);
    shown.set_guests_max(limits.guests_max);
    if (limits.memory_max != 0) {
        uint64_t left = limits.memory_max - std::min(limits.memory_max, use.memory);
        shown.set_memory_available(std::min(shown.memory_available(), left));
    }
    if (limits.guest.memory_max != 0) shown.set_memory_available(std::min(shown.memory_available(), limits.guest.memory_max));
    return shown;
}

bool is_busy(const NodeUse& use) { return use.pending_of_peer >= kMaxPendingOfPeer || use.pending >= kMaxPending; }

Status admit(const wire::Host& host, const wire::Machine& node, const NodeUse& use) {
    if (!host.has_home()) return fail("malformed request: no home");
    TRY(check_compatible(host.home(), node, host.memory_needed()));
    if (node.guests() >= node.guests_max())
        return fail("node {} is full: {} of {} guests", printable(node.name()), node.guests(), node.guests_max());
    if (is_busy(use))
        return fail_code(EAGAIN, "node {} is busy with {} other arrivals; try again", printable(node.name()), use.pending);
    return {};
}

wire::Reply answer(const wire::Request& request, const wire::Machine& node) {
    wire::Reply reply;
    reply.set_id(request.id());
    switch (request.what_case()) {
        case wire::Request::kPing: {
            wire::Machine* machine = reply.mutable_machine();
            machine->set_protocol_version(node.protocol_version());
            machine->set_pmi_version(node.pmi_version());
            machine->set_name(node.name());
            reply.set_monotonic_ns(clock_ns(CLOCK_MONOTONIC));
            reply.set_boottime_ns(clock_ns(CLOCK_BOOTTIME));
            break;
        }
        case wire::Request::kDescribe: *reply.mutable_machine() = node; break;
        default: reply.set_error("unknown request"); break;
    }
    return reply;
}

wire::Reply error_reply(uint64_t id, const std::string& error) {
    wire::Reply reply;
    reply.set_id(id);
    reply.set_error(printable(error.empty() ? "unknown error" : error, 1000));
    return reply;
}

}  // namespace pmi

// A request as a hostile peer may send it, through everything that pmid does before it starts a process.
// Links: pmi_requests.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "remote/pmid/requests.h"
#include "remote/wire/machine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    static const wire::Machine machine = [] {
        auto described = describe_machine("node");
        if (!described) std::abort();
        return *described;
    }();
    NodeUse use;
    use.guests = size % 70;
    use.memory = static_cast<uint64_t>(size) << 24;
    NodeLimits limits;
    limits.memory_max = size % 2 == 0 ? 0 : 1ull << 32;
    Parsed parsed = parse_request({reinterpret_cast<const char*>(data), size});
    wire::Machine shown = machine_for_others(machine, limits, use);
    std::string error = parsed.error;
    wire::Reply reply = answer(parsed.request, shown);
    if (error.empty() && parsed.request.has_host()) {
        auto admitted = admit(parsed.request.host(), shown, use);
        if (!admitted) error = admitted.error().message();
    }
    if (!error.empty()) reply = error_reply(parsed.request.id(), error);
    std::string bytes = reply.SerializeAsString();
    wire::Reply back;
    // What we answer must be readable, in one line.
    if (!back.ParseFromString(bytes) || back.error().find('\n') != std::string::npos) std::abort();
    return 0;
}

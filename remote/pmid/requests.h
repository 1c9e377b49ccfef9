// What pmid answers to a request, decided without sockets or processes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "remote/jail/guest_limits.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/error.h"

namespace pmi {

struct NodeLimits {
    uint32_t guests_max = 64;
    uint64_t memory_max = 0;  // bytes for all guests together; 0: what the machine has
    GuestLimits guest;        // for each
};

// What of the node is taken already.
struct NodeUse {
    uint32_t guests = 0;
    uint64_t memory = 0;           // bytes promised to guests
    uint32_t pending_of_peer = 0;  // Host requests of this peer that have no Place yet
    uint32_t pending = 0;          // of all
};

constexpr uint32_t kMaxPendingOfPeer = 8;
constexpr uint32_t kMaxPending = 32;
bool is_busy(const NodeUse& use);

// A request of our protocol version, or the reply that says what is wrong with it.
struct Parsed {
    wire::Request request;
    std::string error;
};
Parsed parse_request(std::string_view bytes);

// The machine as it is shown to others: guests and what memory is left for them filled in.
wire::Machine machine_for_others(const wire::Machine& machine, const NodeLimits& limits, const NodeUse& use);

// Whether the program of a Host request may come; the error is for the person who asked. EAGAIN: not now, but perhaps in a moment.
Status admit(const wire::Host& host, const wire::Machine& machine_for_others, const NodeUse& use);

// The reply to anything but a Host request that was admitted.
wire::Reply answer(const wire::Request& request, const wire::Machine& machine_for_others);

wire::Reply error_reply(uint64_t id, const std::string& error);

}  // namespace pmi

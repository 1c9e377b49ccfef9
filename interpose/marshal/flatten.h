// The node's part of a forwarded call: from registers and guest memory to a Call, and from the Reply back to
// guest memory. Driven by the row; calls with ArgKind::Special have a function of their own (ioctl by the size
// in its number, msghdr, fcntl by command, ...).
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "interpose/marshal/call.h"
#include "interpose/syscall/row.h"

namespace pmi {

// The guest's memory as the marshaller sees it. Addresses are the guest's own.
class GuestMemory {
  public:
    GuestMemory() = default;
    GuestMemory(const GuestMemory&) = delete;
    GuestMemory& operator=(const GuestMemory&) = delete;
    virtual ~GuestMemory() = default;
    // Number of bytes read or written before the first byte that can't be (as a partial copy_from_user).
    virtual size_t read(uint64_t address, std::span<std::byte> to) const = 0;
    virtual size_t write(uint64_t address, std::span<const std::byte> from) = 0;
    // How many of these, from the first on, can be read: in one go, where that costs less than one by one.
    virtual size_t count_readable(std::span<const uint64_t> addresses) const;
    // Whether all of this range can be read, and not written: what a call brings would be lost.
    virtual bool is_read_only(uint64_t, uint64_t) const { return false; }
};

// Arena bytes that go to guest memory when the reply is there.
struct CopyBack {
    uint32_t offset;                   // in the arena
    uint64_t address;                  // in the guest
    uint32_t size;                     // at most
    bool partial = false;              // bytes of a transfer: where they can't be written, the result is cut, as Linux does
    bool changed = false;              // only from the first to the last byte that differs from what was sent
    int64_t least_result = INT64_MIN;  // not for a smaller result (a message that was not received)
    bool may_fail = false;             // where it can't be written Linux takes no notice
};

struct Flattened {
    Call call;
    std::vector<CopyBack> back;
};
struct Refused {
    int64_t result;  // what Linux gives without looking further: -EFAULT, -EINVAL, -ENAMETOOLONG, ...
};
struct GoHome {
    std::string_view why;  // this call (or this ioctl, this option, ...) takes the program home first
};
struct RunLocally {};  // let the guest's kernel do it (an option of prctl that concerns memory or CPU only, ...)
using Flattening = std::variant<Flattened, Refused, GoHome, RunLocally>;

Flattening flatten(const Row& row, const std::array<uint64_t, 6>& args, const GuestMemory& memory);

// Writes what came back; returns the value the program gets (reply.result, or -EFAULT).
int64_t apply(const Flattened& sent, const Reply& reply, GuestMemory& memory);

}  // namespace pmi

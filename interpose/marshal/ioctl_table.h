// What is known of single ioctl requests: those whose number doesn't say their size, or says it wrongly.
#pragma once
#include <cstdint>

namespace pmi {

enum class IoctlArg : uint8_t {
    Value,          // a number, or nothing
    In,             // `size` bytes in
    Out,            // `size` bytes out
    InOut,          // `size` bytes in and out
    String,         // NUL-terminated, in
    InterfaceList,  // struct ifconf, which leads to a buffer
    GoHome,         // holds addresses, or leads to more than its size says
};

struct KnownIoctl {
    uint32_t request;
    IoctlArg arg;
    uint32_t size = 0;
};

// Null where nothing special is known of the request.
const KnownIoctl* find_ioctl(uint32_t request);
// Families of requests (by the type byte of their numbers) that hold addresses of memory here and there.
bool family_holds_addresses(uint8_t type);

}  // namespace pmi

// struct iovec[]: the buffers become one contiguous area of the arena, with an iovec array before it that
// points into it, so that the call stays the same call.
#pragma once
#include <cstdint>

#include "interpose/marshal/gather.h"

namespace pmi {

// A vector of no more entries, as the kernel has it (UIO_MAXIOV).
constexpr uint64_t kMaxVector = 1024;

struct LaidVector {
    uint32_t array = 0;  // arena offset of the iovec[]
    uint32_t area = 0;   // and of the bytes, without gaps
    uint64_t size = 0;   // of the area
};

// Lays out an iovec[count] at guest address `address`; the caller sends the area back as its call defines.
LaidVector lay_vector(Gather& gather, uint64_t address, uint64_t count, Direction direction);

// An InVec or OutVec argument.
void move_vector(Gather& gather, unsigned i, const Arg& as, Direction direction);

}  // namespace pmi

// Messages of runs of memory that is read straight into them: what describes the runs goes in front of it, into room that was left.
#pragma once
#include <cstring>
#include <span>
#include <vector>

#include "remote/wire/memory_frame.h"

namespace pmi {

// A run that goes on where the last one ends is a part of it.
inline void add_run(std::vector<MemoryRun>& to, uint64_t where, uint64_t size) {
    if (!to.empty() && to.back().where + to.back().size == where)
        to.back().size += size;
    else
        to.push_back({where, size});
}

// The whole message: `payload` has `size` bytes, and in front of it room for a head and the runs.
inline std::span<const std::byte> describe_runs(std::byte* payload, size_t size, StreamKind kind, int32_t pid,
                                                std::span<const MemoryRun> runs) {
    StreamHead head{kind, static_cast<uint32_t>(runs.size()), pid, {}};
    std::byte* begin = payload - runs.size_bytes() - sizeof head;
    std::memcpy(begin, &head, sizeof head);
    std::memcpy(begin + sizeof head, runs.data(), runs.size_bytes());
    return {begin, sizeof head + runs.size_bytes() + size};
}

}  // namespace pmi

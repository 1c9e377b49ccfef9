// A message of a session's stream: whatever parses must hold what its head says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "remote/wire/memory_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    std::span bytes(reinterpret_cast<const std::byte*>(data), size);
    auto view = parse_stream_message(bytes);
    if (!view) return 0;
    std::vector<MemoryRun> runs;
    uint64_t total = 0;
    for (size_t i = 0; i < view->head.runs; i++) {
        runs.push_back(view->run(i));
        total += runs.back().size;
    }
    bool is_memory = view->head.kind == StreamKind::Pages || view->head.kind == StreamKind::FileData;
    if (is_memory && total != view->payload.size()) std::abort();
    auto again = make_stream_message(view->head.kind, view->head.pid, runs, view->payload);
    if (again.size() != size) std::abort();
    return 0;
}

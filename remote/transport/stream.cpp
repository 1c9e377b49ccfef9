#include "remote/transport/stream.h"

#include "runtime/base/clock.h"

namespace pmi {

Expected<std::unique_ptr<Message>> receive_while(Stream& stream, int timeout_ms, const std::function<Status()>& between) {
    constexpr int kLookEveryMs = 20;
    int64_t deadline = monotonic_ns() + int64_t{timeout_ms} * 1'000'000;
    for (;;) {
        auto message = stream.receive(kLookEveryMs);
        if (message || message.error().code() != ETIMEDOUT || monotonic_ns() > deadline) return message;
        TRY(between());
    }
}

}  // namespace pmi

// The start of a call channel, from a stranger. Links: pmi_transport.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "remote/transport/call_handshake.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    static const ChannelKeys keys = ChannelKeys::random();
    Hello hello{};
    HelloAnswer answer{};
    std::memcpy(hello.data(), data, std::min(size, hello.size()));
    if (answer_hello(hello, keys, Security::Curve, &answer)) std::abort();
    std::memcpy(answer.data(), data, std::min(size, answer.size()));
    if (check_answer(hello, answer, keys, Security::Curve)) std::abort();
    return 0;
}

// Bytes of an insecure call channel: nothing keeps a hostile peer from sending any frame. They come in pieces
// whose sizes the input itself gives. Links: pmi_transport.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "remote/transport/frame_buffer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    FrameBuffer buffer(FrameSealer(Cipher::None, {}));
    size_t given = 0, taken = 0;
    while (given < size) {
        auto room = buffer.room();
        if (room.empty() || room.size() > (1u << 20) + 4 * size) std::abort();
        size_t piece = std::min({size - given, room.size(), size_t{1} + data[given] % 40});
        std::memcpy(room.data(), data + given, piece);
        buffer.filled(piece);
        given += piece;
        for (;;) {
            ByteBuffer body;
            auto type = buffer.next(body);
            if (!type) return 0;
            if (!type->has_value()) break;
            taken += 5 + body.size();
            if (taken > given) std::abort();
        }
    }
    return 0;
}

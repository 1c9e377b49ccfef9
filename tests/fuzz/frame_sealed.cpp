// Bytes of a call channel from somebody who doesn't have the key: no frame may ever open. Links:
// pmi_transport.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "remote/transport/frame_buffer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    if (size == 0) return 0;
    Cipher cipher = data[0] % 2 == 0 || !cipher_available(Cipher::Aes256Gcm) ? Cipher::ChaCha20 : Cipher::Aes256Gcm;
    CipherKey key;
    key.fill(0x5a);
    FrameBuffer buffer(FrameSealer(cipher, key));
    for (size_t given = 1; given < size;) {
        auto room = buffer.room();
        size_t piece = std::min(size - given, room.size());
        std::memcpy(room.data(), data + given, piece);
        buffer.filled(piece);
        given += piece;
        ByteBuffer body;
        auto type = buffer.next(body);
        if (!type) return 0;
        if (type->has_value()) std::abort();
    }
    return 0;
}

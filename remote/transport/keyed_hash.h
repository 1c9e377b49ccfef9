// BLAKE2b with a key, piece by piece: the MACs of the call channel's handshakes, and the derivation of its keys.
#pragma once
#include <sodium.h>

#include <array>
#include <cstddef>

namespace pmi {

class KeyedHash {
  public:
    KeyedHash(const std::array<unsigned char, 32>& key, size_t size) {
        ::crypto_generichash_init(&state_, key.data(), key.size(), size);
    }
    KeyedHash& add(const void* data, size_t size) {
        ::crypto_generichash_update(&state_, static_cast<const unsigned char*>(data), size);
        return *this;
    }
    void finish(unsigned char* out, size_t size) { ::crypto_generichash_final(&state_, out, size); }

  private:
    crypto_generichash_state state_;
};

}  // namespace pmi

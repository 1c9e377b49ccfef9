// Bytes as libraries in C take them.
#pragma once
#include <cstddef>
#include <span>

namespace pmi {

template <size_t N>
unsigned char* raw(std::span<std::byte, N> s) {
    return reinterpret_cast<unsigned char*>(s.data());
}
template <size_t N>
const unsigned char* raw(std::span<const std::byte, N> s) {
    return reinterpret_cast<const unsigned char*>(s.data());
}

}  // namespace pmi

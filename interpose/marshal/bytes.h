// Little helpers for values that stand unaligned among bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace pmi {

template <typename T>
T load_as(const std::byte* from) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <typename T>
void store_as(std::byte* to, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(to, &value, sizeof value);
}
// memcpy that may be told to copy nothing from nowhere.
inline void copy_bytes(std::byte* to, const std::byte* from, size_t size) {
    if (size > 0) std::memcpy(to, from, size);
}

}  // namespace pmi

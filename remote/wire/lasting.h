// CallHead::lasts, of a reply that the node may give again.
#pragma once
#include <cstdint>

namespace pmi {

constexpr uint8_t kLastsForThread = 1;  // to the same thread
constexpr uint8_t kLastsForAll =
    2;  // to the other threads of its process too, as long as none of them makes a call that changes it

}  // namespace pmi

// Register state and its layout, both from a peer, laid out as another peer says, and as this machine has it.
#include "remote/wire/xstate.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

// Components of 6 bytes each: number, size, offset in units of 8, 16 bits.
pmi::XstateLayout take_layout(const uint8_t*& data, size_t& size) {
    pmi::XstateLayout layout;
    size_t count = size == 0 ? 0 : data[0] % 12;
    if (size > 0) data++, size--;
    for (size_t i = 0; i < count && size >= 6; i++, data += 6, size -= 6) {
        uint16_t numbers[3];
        std::memcpy(numbers, data, sizeof numbers);
        auto* c = layout.Add();
        c->set_number(numbers[0] % 70);
        c->set_size(numbers[0] >= 0xff00 ? ~0U - numbers[1] : numbers[1]);
        c->set_offset(numbers[0] >= 0xf000 ? ~0U - numbers[2] : numbers[2]);
    }
    return layout;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    static const XstateLayout here = local_xstate_layout();
    XstateLayout from = take_layout(data, size), to = take_layout(data, size);
    std::string state(4096, '\0');
    std::memcpy(state.data(), data, std::min(size, state.size()));
    if (size >= 8) std::memcpy(state.data() + 512, data, 8);  // which are in use
    state.resize(size % 2 == 0 ? state.size() : std::min(state.size(), size));
    auto live = live_xstate(state, from);
    for (const XstateLayout* target : {static_cast<const XstateLayout*>(&to), &here}) {
        auto moved = relay_xstate(state, from, *target);
        if (!moved) continue;
        if (!live) std::abort();
        auto live_there = live_xstate(*moved, *target);
        // The protection keys may have been added.
        constexpr uint64_t kPkru = 1 << 9;
        if (!live_there || (*live_there & ~kPkru) != (*live & ~kPkru)) std::abort();
    }
    return 0;
}

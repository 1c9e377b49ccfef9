#include "remote/wire/xstate.h"

#include <algorithm>
#include <cstring>

#include "remote/wire/cpu_features.h"

namespace pmi {
namespace {

constexpr size_t kLegacy = 512, kHeader = 64, kExtended = kLegacy + kHeader;
constexpr size_t kSoftwareBytes = 464;  // from here to kLegacy: the kernel's own notes
constexpr size_t kMaxState = 64 << 10;
constexpr uint32_t kComponents = 63;
constexpr uint32_t kPkru = 9;
constexpr uint32_t kInitialPkru = 0x55555554;  // the kernel's: every key but 0 is denied

using Component = wire::Machine::XstateComponent;

const Component* component_of(const XstateLayout& layout, uint32_t number) {
    auto found = std::find_if(layout.begin(), layout.end(), [&](const auto& c) { return c.number() == number; });
    return found == layout.end() ? nullptr : &*found;
}

struct Header {
    uint64_t in_use, compacted;
};
Expected<Header> header_of(const std::string& xstate) {
    if (xstate.size() < kExtended || xstate.size() > kMaxState) return fail("register state of {} bytes", xstate.size());
    Header header{};
    std::memcpy(&header, xstate.data() + kLegacy, sizeof header);
    if (header.compacted != 0 || header.in_use >> kComponents != 0) return fail("register state of an unknown form");
    return header;
}

// The component's bytes.
Expected<std::string> bytes_of(const std::string& xstate, const Component* component, uint32_t number) {
    if (component == nullptr) return fail("register state {} ({}) without a place", number, xstate_name(number));
    if (component->offset() < kExtended || component->offset() > xstate.size() ||
        component->size() > xstate.size() - component->offset())
        return fail("register state {} ({}) outside of its bytes", number, xstate_name(number));
    return xstate.substr(component->offset(), component->size());
}

// Components begin as zeros, but for the protection keys. Some CPUs mark what is in its first state as in use all the same.
bool is_initial(uint32_t number, const std::string& bytes) {
    if (number != kPkru) return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
    uint32_t value = 0;  // what follows it is padding
    std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
    return value == kInitialPkru || value == 0;
}

// Any with a place outside of what can be is left out, so that it counts as missing.
size_t size_of(const XstateLayout& layout) {
    size_t size = kExtended;
    for (const auto& c : layout)
        if (c.number() >= 2 && c.offset() >= kExtended) size = std::max<size_t>(size, size_t{c.offset()} + c.size());
    return size;
}

Status put_in(std::string& xstate, const XstateLayout& layout, uint32_t number, const std::string& bytes) {
    const Component* place = component_of(layout, number);
    if (place == nullptr || place->offset() < kExtended)
        return fail("register state {} ({}) is in use and missing here", number, xstate_name(number));
    if (place->size() != bytes.size())
        return fail("register state {} ({}) has {} bytes, here {}", number, xstate_name(number), bytes.size(), place->size());
    xstate.replace(place->offset(), bytes.size(), bytes);
    return {};
}

}  // namespace

XstateLayout local_xstate_layout() {
    XstateLayout layout;
    uint64_t enabled = read_xcr0();
    for (uint32_t i = 0; i < kComponents; i++) {
        if ((enabled >> i & 1) == 0) continue;
        auto place = read_xstate_layout(i);
        auto* component = layout.Add();
        component->set_number(i);
        component->set_size(place.size);
        component->set_offset(place.offset);
    }
    return layout;
}

Expected<uint64_t> live_xstate(const std::string& xstate, const XstateLayout& layout) {
    TRY_ASSIGN(Header header, header_of(xstate));
    uint64_t live = header.in_use;
    for (uint32_t i = 2; i < kComponents; i++) {
        if ((live >> i & 1) == 0) continue;
        TRY_ASSIGN(std::string bytes, bytes_of(xstate, component_of(layout, i), i));
        if (is_initial(i, bytes)) live &= ~(uint64_t{1} << i);
    }
    return live;
}

Status check_live_xstate(const wire::Image& image, const wire::Machine& machine) {
    for (const auto& thread : image.threads()) {
        if (thread.xstate().empty()) continue;
        TRY_ASSIGN(uint64_t live, live_xstate(thread.xstate(), image.xstate_layout()));
        for (uint32_t i = 2; i < kComponents; i++) {
            if ((live >> i & 1) == 0) continue;
            const Component* here = component_of(image.xstate_layout(), i);
            const Component* there = component_of(machine.xstate(), i);
            if (there == nullptr || (machine.xcr0() >> i & 1) == 0)
                return fail("register state {} ({}) is in use and missing there", i, xstate_name(i));
            if (here->size() != there->size()) return fail("register state {} ({}) has another size there", i, xstate_name(i));
        }
    }
    return {};
}

Expected<std::string> relay_xstate(const std::string& xstate, const XstateLayout& from, const XstateLayout& to) {
    TRY_ASSIGN(Header header, header_of(xstate));
    TRY_ASSIGN(uint64_t live, live_xstate(xstate, from));
    size_t size = size_of(to);
    if (size > kMaxState) return fail("register state of {} bytes", size);
    std::string out(size, '\0');
    out.replace(0, kSoftwareBytes, xstate, 0, kSoftwareBytes);
    uint64_t in_use = live & 3;
    for (uint32_t i = 2; i < kComponents; i++) {
        bool is_there = component_of(to, i) != nullptr;
        if ((live >> i & 1) != 0 || ((header.in_use >> i & 1) != 0 && is_there)) {
            TRY_ASSIGN(std::string bytes, bytes_of(xstate, component_of(from, i), i));
            TRY(put_in(out, to, i, bytes));
            in_use |= uint64_t{1} << i;
        }
    }
    // A thread from a CPU without protection keys has them here as every new thread has them.
    if (component_of(from, kPkru) == nullptr && component_of(to, kPkru) != nullptr) {
        std::string initial(component_of(to, kPkru)->size(), '\0');
        if (initial.size() >= sizeof kInitialPkru) std::memcpy(initial.data(), &kInitialPkru, sizeof kInitialPkru);
        TRY(put_in(out, to, kPkru, initial));
        in_use |= uint64_t{1} << kPkru;
    }
    std::memcpy(out.data() + kLegacy, &in_use, sizeof in_use);
    return out;
}

Status relay_image(wire::Image& image, const XstateLayout& to) {
    for (auto& thread : *image.mutable_threads()) {
        if (thread.xstate().empty()) continue;
        TRY_ASSIGN(std::string xstate, relay_xstate(thread.xstate(), image.xstate_layout(), to));
        thread.set_xstate(std::move(xstate));
    }
    *image.mutable_xstate_layout() = to;
    return {};
}

}  // namespace pmi

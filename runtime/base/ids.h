// Numbers that must not be mixed up are types.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>

namespace pmi {

template <typename Tag, typename Rep>
struct Id {
    Rep value{};
    constexpr Id() = default;
    constexpr explicit Id(Rep v) : value(v) {}
    constexpr auto operator<=>(const Id&) const = default;
    constexpr explicit operator bool() const { return value != Rep{}; }
};

// A process or thread number as home's PID namespace knows it: what the program sees.
using HomePid = Id<struct HomePidTag, int32_t>;
// The same task's number as a host node's own PID namespace (outside the jail) knows it.
using GuestPid = Id<struct GuestPidTag, int32_t>;
// Numbers one forwarded call of one thread; never reused within a stay on a node.
using CallId = Id<struct CallIdTag, uint64_t>;
// Which copy is the program: grows with every move; a copy with an older epoch gets no call served.
using Epoch = Id<struct EpochTag, uint64_t>;

}  // namespace pmi

template <typename Tag, typename Rep>
struct std::hash<pmi::Id<Tag, Rep>> {
    size_t operator()(const pmi::Id<Tag, Rep>& id) const { return std::hash<Rep>()(id.value); }
};

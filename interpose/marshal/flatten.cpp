#include "interpose/marshal/flatten.h"

#include <algorithm>

#include "interpose/marshal/gather.h"
#include "interpose/marshal/special.h"

namespace pmi {

size_t GuestMemory::count_readable(std::span<const uint64_t> addresses) const {
    std::byte byte{};
    auto bad = std::find_if(addresses.begin(), addresses.end(), [&](uint64_t a) { return read(a, {&byte, 1}) != 1; });
    return static_cast<size_t>(bad - addresses.begin());
}

Flattening flatten(const Row& row, const std::array<uint64_t, 6>& args, const GuestMemory& memory) {
    if (row.route == Route::Return) return GoHome{row.note};
    if (row.route == Route::Local) return RunLocally{};
    Gather gather(row, args, memory);
    bool special = std::any_of(row.args.begin(), row.args.end(), [](const Arg& arg) { return arg.kind == ArgKind::Special; });
    for (unsigned i = 0; i < 6; i++)
        if (!gather.decided(i)) gather.move(i);
    if (special) {
        SpecialMarshaller marshal = special_marshaller(row.nr);
        PMI_ASSERT(marshal != nullptr);
        if (!gather.settled()) marshal(gather);
    }
    return std::move(gather).finish();
}

}  // namespace pmi

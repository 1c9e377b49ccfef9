// Any call with any arguments, over a small memory of any content: the outcome is always something that
// decodes, and an address of the program is found in no relocated place.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "interpose/marshal/call.h"
#include "interpose/marshal/flatten.h"

namespace {

// The input itself, mapped at `kBase`; pages beyond it can't be read.
class Input : public pmi::GuestMemory {
  public:
    static constexpr uint64_t kBase = 0x10000;
    explicit Input(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}
    size_t read(uint64_t address, std::span<std::byte> to) const override {
        size_t room = room_at(address, to.size());
        if (room > 0) std::memcpy(to.data(), bytes_.data() + (address - kBase), room);
        return room;
    }
    size_t write(uint64_t address, std::span<const std::byte> from) override {
        size_t room = room_at(address, from.size());
        if (room > 0) std::memcpy(bytes_.data() + (address - kBase), from.data(), room);
        return room;
    }

  private:
    size_t room_at(uint64_t address, size_t size) const {
        if (address < kBase || address - kBase >= bytes_.size()) return 0;
        return std::min<size_t>(size, bytes_.size() - (address - kBase));
    }
    std::vector<std::byte> bytes_;
};

void check(const pmi::Flattened& sent, Input& memory) {
    pmi::ByteBuffer bytes = pmi::encode(sent.call).whole();
    auto call = pmi::decode_call(bytes);
    if (!call) __builtin_trap();
    if (call->arena_size > (1u << 20)) return;
    std::vector<std::byte> arena(call->arena_size);
    pmi::lay_out(*call, arena, 0x7000'0000'0000);
    for (int64_t result : {int64_t{-4}, int64_t{3}, int64_t{1} << 40}) pmi::apply(sent, pmi::collect(*call, arena, result), memory);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2 + 6 * 3) return 0;
    uint16_t nr;
    std::memcpy(&nr, data, 2);
    const pmi::Row* row = pmi::find_row(nr % 480);
    if (row == nullptr) return 0;
    std::array<uint64_t, 6> args{};
    for (unsigned i = 0; i < 6; i++) {
        uint16_t number;
        std::memcpy(&number, data + 2 + i * 3, 2);
        switch (data[4 + i * 3] % 4) {
            case 0: args[i] = number; break;
            case 1: args[i] = Input::kBase + number % size; break;
            case 2: args[i] = ~uint64_t{number}; break;
            default: args[i] = uint64_t{number} << (data[4 + i * 3] / 4); break;
        }
    }
    Input memory(std::span(reinterpret_cast<const std::byte*>(data), size));
    auto how = pmi::flatten(*row, args, memory);
    if (auto* sent = std::get_if<pmi::Flattened>(&how)) check(*sent, memory);
    return 0;
}

// Bytes of a hostile peer: whatever decodes must be laid out, collected and applied without harm.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "interpose/marshal/call.h"
#include "interpose/marshal/flatten.h"

namespace {

// An address space of one page that starts at `kBase`; nothing else may be written.
class Page : public pmi::GuestMemory {
  public:
    static constexpr uint64_t kBase = 0x10000;
    size_t read(uint64_t, std::span<std::byte>) const override { return 0; }
    size_t write(uint64_t address, std::span<const std::byte> from) override {
        if (address < kBase || address >= kBase + sizeof page_) return 0;
        size_t room = std::min<size_t>(from.size(), kBase + sizeof page_ - address);
        std::copy_n(from.begin(), room, page_ + (address - kBase));
        return room;
    }

  private:
    std::byte page_[4096];
};

void check_call(std::span<const std::byte> bytes) {
    auto call = pmi::decode_call(bytes);
    if (!call || call->arena_size > (1u << 20)) return;
    if (!(pmi::encode(*call).whole() == pmi::ByteBuffer(bytes))) __builtin_trap();
    std::vector<std::byte> arena(call->arena_size);
    pmi::lay_out(*call, arena, 0x7000'0000'0000);
    for (int64_t result : {int64_t{-14}, int64_t{0}, int64_t{5}, INT64_MAX}) {
        pmi::Reply reply = pmi::collect(*call, arena, result);
        if (!pmi::decode_reply(pmi::encode(reply).whole())) __builtin_trap();
    }
}

void check_reply(std::span<const std::byte> bytes) {
    auto reply = pmi::decode_reply(bytes);
    if (!reply) return;
    pmi::Flattened sent;
    sent.call.arena_size = 4096;
    sent.call.put_in(16, pmi::ByteBuffer(64, std::byte{0}));
    sent.back = {{0, Page::kBase, 100}, {16, Page::kBase + 4000, 200, true}, {30, Page::kBase + 500, 64, false, true}};
    Page memory;
    pmi::apply(sent, *reply, memory);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::span bytes(reinterpret_cast<const std::byte*>(data), size);
    check_call(bytes);
    check_reply(bytes);
    return 0;
}

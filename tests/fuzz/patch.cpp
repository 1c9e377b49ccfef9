// System call sites: any code before a call (first byte even), or code of this machine's C library, read from a function's
// beginning, with the call put behind it; half of the latter with a load of the number that is the end of a longer instruction.
// What is accepted has to be one instruction that loads the number, and a stub that can be left anywhere.
#include <Zydis/Zydis.h>
#include <stdlib.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "interpose/patch/site_patches.h"

namespace {

using namespace pmi;
using Bytes = std::vector<std::byte>;

void require(bool condition) {
    if (!condition) std::abort();
}

void add(Bytes& code, std::initializer_list<int> bytes) {
    for (int b : bytes) code.push_back(static_cast<std::byte>(b));
}

// Whole instructions, `skip` bytes or a few more behind the beginning of a function.
Bytes real_code(size_t skip) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    const auto* code = reinterpret_cast<const std::byte*>(reinterpret_cast<uintptr_t>(&::qsort));
    size_t at = 0;
    while (at < skip + kSiteWindow) {
        ZydisDecodedInstruction instruction;
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, code + at, 15, &instruction))) break;
        at += instruction.length;
    }
    return Bytes(code, code + at);
}

void check_patch(const Site& site) {
    uint64_t base = (site.load & ~(kPage - 1)) - kStubsOffset - kStubsSize - kPage;
    SitePatches patches(base);
    auto patch = patches.prepare(site);
    require(patch.ok());
    for (uint64_t offset = 0; offset <= kStubSize; offset++) {
        StubRegisters r{(*patch)->stub + offset, 0};
        if (patches.put_outside(r)) require(r.rip == site.load || r.rip == site.syscall() || r.rip == site.resume);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 3) return 0;
    auto nr = static_cast<int>(kAnswerable[data[1] % kAnswerable.size()]);
    const auto* rest = reinterpret_cast<const std::byte*>(data + 2);
    bool is_real = data[0] % 2 != 0, is_hidden = is_real && data[0] % 4 == 3;
    Bytes code = is_real ? real_code(data[2] % 128u) : Bytes(rest, rest + size - 2);
    if (is_hidden) add(code, {0x00});
    if (is_real || data[0] % 4 == 2) add(code, {0xb8, nr, 0, 0, 0});
    add(code, {0x0f, 0x05});
    auto site = find_site(code, (uint64_t{0x7000} << 32) + code.size(), nr);
    if (!site) return 0;
    require(!is_hidden);
    size_t load = code.size() - (site->resume - site->load);
    require(std::memcmp(code.data() + load, site->original.data(), kJumpSize) == 0);
    require(site->resume - site->load == 7 || site->resume - site->load == 9);
    check_patch(*site);
    return 0;
}

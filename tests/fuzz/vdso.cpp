// The ELF image of another machine's vDSO: any bytes (first byte even), or this machine's own with changes, each of a place
// (16 bits), a width and a value.
#include <elf.h>
#include <sys/auxv.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "interpose/vdso/shims.h"
#include "interpose/vdso/vdso_image.h"

namespace {

using Bytes = std::vector<std::byte>;

// Sections are behind all that is loaded: where they end, the image does.
Bytes own_vdso() {
    auto address = ::getauxval(AT_SYSINFO_EHDR);
    if (address == 0) return {};
    const auto* begin = reinterpret_cast<const std::byte*>(address);
    Elf64_Ehdr header;
    std::memcpy(&header, begin, sizeof header);
    return Bytes(begin, begin + header.e_shoff + size_t{header.e_shentsize} * header.e_shnum);
}

Bytes changed(Bytes image, const uint8_t* data, size_t size) {
    for (; size >= 4; data += 4, size -= 4) {
        uint16_t at;
        std::memcpy(&at, data, sizeof at);
        for (size_t i = 0; i <= data[2] % 8u && at + i < image.size(); i++) image[at + i] = std::byte{data[3]};
    }
    return image;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    static const Bytes own = own_vdso();
    if (size == 0) return 0;
    const auto* rest = reinterpret_cast<const std::byte*>(data + 1);
    Bytes image = data[0] % 2 == 0 ? Bytes(rest, rest + size - 1) : changed(own, data + 1, size - 1);
    auto functions = vdso_functions(image);
    if (!functions) return 0;
    for (const auto& f : *functions)
        if (f.offset > image.size() || f.size > image.size() - f.offset) std::abort();
    auto trampolines = place_trampolines(*functions, 2 * kPage);
    if (trampolines) (void)patch_vdso(image, *functions, *trampolines, uint64_t{0x1000} << 32, 2 * kPage);
    return 0;
}

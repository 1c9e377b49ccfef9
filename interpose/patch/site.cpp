#include "interpose/patch/site.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "interpose/patch/answers.h"

namespace pmi {
namespace {

constexpr size_t kNearest = 24;   // whoever begins to read here has fallen into step by the site
constexpr size_t kReadings = 16;  // that are wanted at least
constexpr uint64_t kLowest = uint64_t{1} << 16;

class Decoder {
  public:
    Decoder() { ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64); }
    std::optional<size_t> length(std::span<const std::byte> code) const {
        ZydisDecodedInstruction instruction;
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder_, nullptr, code.data(), code.size(), &instruction)))
            return std::nullopt;
        return instruction.length;
    }

  private:
    ZydisDecoder decoder_{};
};

bool ends_with_load(std::span<const std::byte> code, std::span<const unsigned char> opcode, uint32_t nr) {
    size_t size = opcode.size() + sizeof nr;
    if (code.size() < size) return false;
    const std::byte* at = code.data() + code.size() - size;
    return std::memcmp(at, opcode.data(), opcode.size()) == 0 && std::memcmp(at + opcode.size(), &nr, sizeof nr) == 0;
}

// Of the instruction that `code` ends with, if it loads `nr`.
std::optional<size_t> load_size(std::span<const std::byte> code, int64_t nr) {
    constexpr unsigned char kMovEax[] = {0xb8}, kMovRax[] = {0x48, 0xc7, 0xc0};
    auto number = static_cast<uint32_t>(nr);
    if (ends_with_load(code, kMovRax, number)) return sizeof kMovRax + sizeof number;
    if (ends_with_load(code, kMovEax, number)) return sizeof kMovEax + sizeof number;
    return std::nullopt;
}

enum class Reading { Meets, Misses, Elsewhere };

// Reads from `at` on: does it meet both the load and the call, or the call alone?
Reading read_from(const Decoder& decoder, std::span<const std::byte> code, size_t at, size_t load, size_t syscall) {
    bool met_load = false;
    while (at < syscall) {
        met_load |= at == load;
        auto length = decoder.length(code.subspan(at));
        if (!length) return Reading::Elsewhere;
        at += *length;
    }
    if (at != syscall) return Reading::Elsewhere;
    return met_load ? Reading::Meets : Reading::Misses;
}

Status check_boundary(std::span<const std::byte> code, size_t load, size_t syscall) {
    Decoder decoder;
    size_t first = load > kSiteWindow - kNearest ? load - (kSiteWindow - kNearest) : 0;
    size_t readings = 0;
    for (size_t at = first; at + kNearest <= load; at++) {
        Reading reading = read_from(decoder, code, at, load, syscall);
        if (reading == Reading::Misses) return fail("the code before it can be read in two ways");
        if (reading == Reading::Meets) readings++;
    }
    return readings < kReadings ? fail("too little code before it can be read") : Status();
}

}  // namespace

Expected<Site> find_site(std::span<const std::byte> code, uint64_t resume, int64_t nr) {
    constexpr std::byte kSyscall[] = {std::byte{0x0f}, std::byte{0x05}};
    if (!can_be_patched(nr)) return fail("call {} is never answered by its site", nr);
    if (resume < kLowest + code.size()) return fail("it is in the lowest pages");
    if (code.size() < kSyscallSize || !std::equal(std::begin(kSyscall), std::end(kSyscall), code.end() - kSyscallSize))
        return fail("no system call instruction stands there");
    size_t syscall = code.size() - kSyscallSize;
    auto size = load_size(code.first(syscall), nr);
    if (!size) return fail("the number is not loaded right before it");
    size_t load = syscall - *size;
    TRY(check_boundary(code, load, syscall));
    Site site;
    site.resume = resume;
    site.load = resume - kSyscallSize - *size;
    site.nr = nr;
    std::copy_n(code.begin() + static_cast<ptrdiff_t>(load), kJumpSize, site.original.begin());
    return site;
}

Expected<JumpBytes> make_jump(uint64_t from, uint64_t to) {
    auto distance = static_cast<int64_t>(to - (from + kJumpSize));
    if (distance != static_cast<int32_t>(distance)) return fail("the agent is out of its reach");
    JumpBytes jump{std::byte{0xe9}};
    auto narrow = static_cast<int32_t>(distance);
    std::memcpy(jump.data() + 1, &narrow, sizeof narrow);
    return jump;
}

}  // namespace pmi

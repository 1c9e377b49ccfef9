#include "interpose/vdso/vdso_image.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "interpose/vdso/shims.h"

namespace pmi {
namespace {

constexpr std::string_view kPrefix = "__vdso_";
constexpr size_t kMaxSymbols = 1024, kMaxName = 128;

// Bounded reads of an image.
class Reader {
  public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    template <typename T>
    std::optional<T> at(uint64_t offset) const {
        if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
        T value;
        std::memcpy(&value, bytes_.data() + offset, sizeof value);
        return value;
    }
    std::optional<std::string> name_at(uint64_t offset) const {
        if (offset >= bytes_.size()) return std::nullopt;
        const auto* text = reinterpret_cast<const char*>(bytes_.data()) + offset;
        size_t room = std::min(bytes_.size() - offset, kMaxName);
        size_t length = ::strnlen(text, room);
        if (length == room) return std::nullopt;
        return std::string(text, length);
    }
    size_t size() const { return bytes_.size(); }

  private:
    std::span<const std::byte> bytes_;
};

struct Tables {
    uint64_t base = 0;                                          // addresses in the image begin here
    uint64_t symbols = 0, strings = 0, hash = 0, gnu_hash = 0;  // offsets
};

Expected<Tables> find_tables(const Reader& image) {
    auto header = image.at<Elf64_Ehdr>(0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_phentsize != sizeof(Elf64_Phdr))
        return fail("a vDSO that is no 64-bit ELF image");
    std::optional<Elf64_Phdr> load, dynamic;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        auto part = image.at<Elf64_Phdr>(header->e_phoff + i * sizeof(Elf64_Phdr));
        if (!part) return fail("a vDSO whose headers are outside of it");
        if (part->p_type == PT_LOAD && !load) load = part;
        if (part->p_type == PT_DYNAMIC && !dynamic) dynamic = part;
    }
    if (!load || !dynamic) return fail("a vDSO without code or symbols");
    Tables t;
    t.base = load->p_vaddr - load->p_offset;
    for (uint64_t at = dynamic->p_offset;; at += sizeof(Elf64_Dyn)) {
        auto entry = image.at<Elf64_Dyn>(at);
        if (!entry) return fail("a vDSO whose tables are outside of it");
        if (entry->d_tag == DT_NULL) break;
        uint64_t place = entry->d_un.d_ptr - t.base;
        if (entry->d_tag == DT_SYMTAB) t.symbols = place;
        if (entry->d_tag == DT_STRTAB) t.strings = place;
        if (entry->d_tag == DT_HASH) t.hash = place;
        if (entry->d_tag == DT_GNU_HASH) t.gnu_hash = place;
    }
    if (t.symbols == 0 || t.strings == 0) return fail("a vDSO without a symbol table");
    return t;
}

// Only the hash tables say how many symbols there are. GNU's says it by the end of the chain that reaches farthest.
std::optional<size_t> symbols_by_gnu_hash(const Reader& image, uint64_t table) {
    auto buckets = image.at<uint32_t>(table), first = image.at<uint32_t>(table + 4), bloom = image.at<uint32_t>(table + 8);
    if (!buckets || !first || !bloom || *buckets > kMaxSymbols || *bloom > kMaxSymbols) return std::nullopt;
    uint64_t bucket_at = table + 16 + *bloom * sizeof(uint64_t), chain_at = bucket_at + *buckets * sizeof(uint32_t);
    uint32_t last = 0;
    for (uint32_t i = 0; i < *buckets; i++) {
        auto bucket = image.at<uint32_t>(bucket_at + i * sizeof(uint32_t));
        if (!bucket) return std::nullopt;
        last = std::max(last, *bucket);
    }
    if (last < *first) return *first;
    for (; last < kMaxSymbols; last++) {
        auto chain = image.at<uint32_t>(chain_at + (last - *first) * sizeof(uint32_t));
        if (!chain) return std::nullopt;
        if (*chain & 1) return last + 1;
    }
    return std::nullopt;
}

Expected<size_t> count_symbols(const Reader& image, const Tables& t) {
    std::optional<size_t> count;
    if (t.hash != 0) {
        auto chains = image.at<uint32_t>(t.hash + 4);
        if (chains) count = *chains;
    } else if (t.gnu_hash != 0) {
        count = symbols_by_gnu_hash(image, t.gnu_hash);
    }
    if (!count || *count > kMaxSymbols) return fail("a vDSO whose symbols can't be counted");
    return *count;
}

std::string_view plain_name(std::string_view name) {
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    return name;
}

// They read nothing of the kernel's data, so that they work where they are.
bool works_anywhere(std::string_view plain) { return plain == "sgx_enter_enclave"; }

std::optional<Shim> find_shim(std::string_view plain) {
    for (const Shim& shim : shims())
        if (shim.name == plain) return shim;
    return std::nullopt;
}

// Instructions of one byte that fault in 64-bit user mode, whatever follows: all but HLT are no instructions there at all
// (Intel's manual, volume 2, appendix A: "i64"; D6 is UDB). The first one fills: it also makes `ff` before it no instruction.
constexpr std::array<unsigned char, 20> kFaults = {0x3f, 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f,
                                                   0x37, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd6, 0xea, 0xf4};

// The distances are 0xffffXXYY: `ff ff` and `ff 3f` are no instructions, and XX and YY are of the above.
std::optional<uint64_t> free_place(uint64_t function, const std::vector<Trampoline>& placed, uint64_t room) {
    for (uint64_t high : kFaults)
        for (uint64_t low : kFaults) {
            uint64_t back = 0x10000 - (high << 8 | low), from = function + kEntryJump;
            if (back < from + kTrampoline || back - from > room) continue;
            uint64_t below = back - from;
            auto overlaps = [below](const Trampoline& t) { return below < t.below + kTrampoline && t.below < below + kTrampoline; };
            if (std::none_of(placed.begin(), placed.end(), overlaps)) return below;
        }
    return std::nullopt;
}

struct Extent {
    uint64_t offset, size;
};

// Sections tell of code that is not exported, too; an image that has lost them has its functions.
std::vector<Extent> code_of(std::span<const std::byte> bytes, const std::vector<VdsoFunction>& functions) {
    std::vector<Extent> code;
    code.reserve(functions.size());
    for (const auto& f : functions) code.push_back({f.offset, f.size});
    Reader image(bytes);
    auto header = image.at<Elf64_Ehdr>(0);
    for (unsigned i = 0; header && header->e_shentsize == sizeof(Elf64_Shdr) && i < header->e_shnum; i++) {
        auto section = image.at<Elf64_Shdr>(header->e_shoff + i * sizeof(Elf64_Shdr));
        if (!section) break;
        bool is_code = (section->sh_flags & SHF_EXECINSTR) != 0 && section->sh_type == SHT_PROGBITS;
        bool is_inside = section->sh_offset <= image.size() && section->sh_size <= image.size() - section->sh_offset;
        if (is_code && is_inside) code.push_back({section->sh_offset, section->sh_size});
    }
    return code;
}

void fill_code(std::span<std::byte> image, const std::vector<VdsoFunction>& functions) {
    std::vector<std::byte> before(image.begin(), image.end());
    for (const auto& code : code_of(before, functions)) std::memset(image.data() + code.offset, kFaults.front(), code.size);
    for (const auto& f : functions)
        if (works_anywhere(plain_name(f.name))) std::memcpy(image.data() + f.offset, before.data() + f.offset, f.size);
}

}  // namespace

Expected<std::vector<VdsoFunction>> vdso_functions(std::span<const std::byte> bytes) {
    if (bytes.size() > kMaxVdso) return fail("a vDSO of {} bytes", bytes.size());
    Reader image(bytes);
    TRY_ASSIGN(Tables tables, find_tables(image));
    TRY_ASSIGN(size_t count, count_symbols(image, tables));
    std::vector<VdsoFunction> functions;
    for (size_t i = 0; i < count; i++) {
        auto symbol = image.at<Elf64_Sym>(tables.symbols + i * sizeof(Elf64_Sym));
        if (!symbol) return fail("a vDSO with a symbol outside of it");
        bool is_function = ELF64_ST_TYPE(symbol->st_info) == STT_FUNC || ELF64_ST_TYPE(symbol->st_info) == STT_NOTYPE;
        if (!is_function || symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE) continue;
        auto name = image.name_at(tables.strings + symbol->st_name);
        uint64_t offset = symbol->st_value - tables.base;
        if (!name || offset == 0 || offset >= bytes.size() || symbol->st_size > bytes.size() - offset)
            return fail("a vDSO with a function outside of it");
        functions.push_back({std::move(*name), offset, symbol->st_size});
    }
    std::sort(functions.begin(), functions.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
    return functions;
}

uint64_t offset_of(const std::vector<VdsoFunction>& functions, std::string_view name) {
    for (const auto& f : functions)
        if (f.name == name) return f.offset;
    return 0;
}

Expected<std::vector<Trampoline>> place_trampolines(const std::vector<VdsoFunction>& functions, uint64_t room) {
    std::vector<Trampoline> placed;
    for (const auto& f : functions) {
        auto plain = plain_name(f.name);
        if (works_anywhere(plain) || (!placed.empty() && placed.back().function == f.offset)) continue;
        auto shim = find_shim(plain);
        if (!shim) return fail("home's vDSO has a function {}, which pmi does not know", f.name.substr(0, 40));
        if (f.size < kEntryJump) return fail("{} of home's vDSO has {} bytes only", f.name, f.size);
        auto below = free_place(f.offset, placed, room);
        if (!below) return fail("no jump of {} of home's vDSO reaches the {} bytes below it", f.name.substr(0, 40), room);
        placed.push_back({f.offset, *below, shim->entry});
    }
    return placed;
}

std::string patch_vdso(std::span<std::byte> image, const std::vector<VdsoFunction>& functions,
                       const std::vector<Trampoline>& trampolines, uint64_t agent_base, uint64_t room) {
    fill_code(image, functions);
    std::string below(room, static_cast<char>(kFaults.front()));
    for (const auto& t : trampolines) {
        uint64_t target = agent_base + kShimsOffset + t.shim;
        constexpr unsigned char kJump = 0xe9, kMovabsR11[] = {0x49, 0xbb}, kJumpR11[] = {0x41, 0xff, 0xe3};
        auto distance = static_cast<int32_t>(-static_cast<int64_t>(t.below + t.function + kEntryJump));
        image[t.function] = std::byte{kJump};
        std::memcpy(&image[t.function + 1], &distance, sizeof distance);
        char* at = below.data() + (room - t.below);
        std::memcpy(at, kMovabsR11, sizeof kMovabsR11);
        std::memcpy(at + sizeof kMovabsR11, &target, sizeof target);
        std::memcpy(at + kTrampolineSecond, kJumpR11, sizeof kJumpR11);
    }
    return below;
}

}  // namespace pmi

#include "runtime/tracee/preload_notes.h"

#include <elf.h>

#include <array>
#include <cstring>
#include <optional>

#include "runtime/kernel/procfs.h"
#include "runtime/tracee/memory.h"

namespace pmi {
namespace {

constexpr size_t kPage = 4096;
using FirstPage = std::array<std::byte, kPage>;

template <typename T>
std::optional<T> at(const FirstPage& page, uint64_t offset) {
    if (offset > page.size() || page.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, page.data() + offset, sizeof value);
    return value;
}

constexpr uint64_t padded(uint64_t size) { return (size + 3) & ~uint64_t{3}; }

// The distance from the page's start to what the note names.
std::optional<uint64_t> look_in_notes(const FirstPage& page, uint64_t begin, uint64_t size, uint32_t type) {
    for (uint64_t offset = begin; offset < begin + size;) {
        auto head = at<Elf64_Nhdr>(page, offset);
        if (!head) return std::nullopt;
        uint64_t name = offset + sizeof *head, contents = name + padded(head->n_namesz);
        auto owner = at<std::array<char, 4>>(page, name);
        if (owner == std::array{'P', 'M', 'I', '\0'} && head->n_type == type && head->n_descsz == 8)
            if (auto distance = at<uint64_t>(page, contents)) return contents + *distance;
        offset = contents + padded(head->n_descsz);
    }
    return std::nullopt;
}

std::optional<uint64_t> look_in_page(const FirstPage& page, uint32_t type) {
    auto head = at<Elf64_Ehdr>(page, 0);
    if (!head || std::memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
    for (uint64_t i = 0; i < head->e_phnum; i++) {
        auto segment = at<Elf64_Phdr>(page, head->e_phoff + i * sizeof(Elf64_Phdr));
        if (!segment || segment->p_type != PT_NOTE) continue;
        if (auto found = look_in_notes(page, segment->p_offset, segment->p_filesz, type)) return found;
    }
    return std::nullopt;
}

}  // namespace

Expected<uint64_t> find_in_preload(pid_t pid, uint32_t note_type) {
    TRY_ASSIGN(auto maps, read_maps(pid));
    RemoteMemory memory(pid);
    for (const auto& m : maps) {
        if (m.offset != 0 || !m.name.ends_with("/libpmi.so")) continue;
        FirstPage page;
        TRY(memory.read(m.start, page));
        if (auto found = look_in_page(page, note_type)) return m.start + *found;
    }
    return uint64_t{0};
}

}  // namespace pmi

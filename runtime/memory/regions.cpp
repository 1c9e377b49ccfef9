#include "runtime/memory/regions.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>

#include "runtime/memory/dirty_tracking.h"
#include "runtime/memory/guard_pages.h"
#include "runtime/tracee/freezer.h"
#include "runtime/tracee/memory.h"

namespace pmi {
namespace {

bool is_kernel_code(const MapsEntry& m) { return m.name == "[vdso]" || m.name.starts_with("[vvar"); }
bool is_memory_only(const std::string& name) {
    return name.starts_with("/memfd:") || name.starts_with("/SYSV") || name.starts_with("/dev/zero") ||
           name.starts_with("/dev/shm/") || name.starts_with("/anon_hugepage");
}

// How long the mapped file is, where it can be found.
std::optional<uint64_t> size_of_file(pid_t pid, const MapsEntry& m) {
    struct stat st {};
    if (::stat(fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, m.start, m.end).c_str(), &st) == 0 && st.st_ino == m.inode)
        return static_cast<uint64_t>(st.st_size);
    if (::stat(fmt::format("/proc/{}/root{}", pid, m.name).c_str(), &st) == 0 && st.st_ino == m.inode)
        return static_cast<uint64_t>(st.st_size);
    return std::nullopt;
}

// Where it can't: at least as far as the last page of the mapping that can be read.
uint64_t readable_size(pid_t pid, const MapsEntry& m) {
    RemoteMemory memory(pid);
    std::byte probe{};
    uint64_t low = m.start, high = m.end;  // pages below `low` can be read
    while (low < high) {
        uint64_t middle = low + ((high - low) / kPage / 2) * kPage;
        if (memory.read(middle, std::span(&probe, 1)))
            low = middle + kPage;
        else
            high = middle;
    }
    return m.offset + (low - m.start);
}

// Userfaultfd's marks on mappings that are followed, or whose pages come later, are ours (dirty_tracking.h, userfault.h). That a
// mapping may have guard pages (Linux 6.19) its guard pages say.
std::string without_tracking(std::string vm_flags) {
    for (const char* mark : {" uw", " um", " gu"})
        if (size_t at = (" " + vm_flags).find(mark); at != std::string::npos) vm_flags.erase(at, 3);
    return vm_flags;
}

void fill_region(const MapsEntry& m, wire::Region& r) {
    r.set_start(m.start);
    r.set_end(m.end);
    r.set_protection(static_cast<uint32_t>(m.prot()));
    r.set_shared(m.shared);
    r.set_grows_down(m.has_flag("gd"));
    r.set_name(m.name);
    r.set_vm_flags(without_tracking(m.vm_flags));
}

}  // namespace

namespace {

// Mappings merge only where their flags are the same, and are cut where these become different: a mapping that is still
// there, or has grown or shrunk, has the flags that it had, but where two that look the same lie side by side.
bool take_flags(const wire::Image& before, AddressRange agent, std::vector<MapsEntry>& maps) {
    std::erase_if(maps, [&](const MapsEntry& m) { return m.name == "[vsyscall]" || agent.overlaps(m.start, m.end); });
    std::vector<uint64_t> cuts;
    for (const auto& r : before.regions()) cuts.insert(cuts.end(), {r.start(), r.end()});
    std::sort(cuts.begin(), cuts.end());
    auto old = before.regions().begin();
    const MapsEntry* previous = nullptr;
    for (auto& m : maps) {
        bool is_cut = previous != nullptr && previous->end == m.start && previous->prot() == m.prot() &&
                      previous->shared == m.shared && previous->name == m.name &&
                      !std::binary_search(cuts.begin(), cuts.end(), m.start);
        if (is_cut) return false;
        while (old != before.regions().end() && old->end() <= m.start) ++old;
        const wire::Region* same = nullptr;
        for (auto r = old; r != before.regions().end() && r->start() < m.end; ++r) {
            bool fits = r->protection() == static_cast<uint32_t>(m.prot()) && r->shared() == m.shared && r->name() == m.name;
            if (!fits || (same != nullptr && same->vm_flags() != r->vm_flags())) return false;
            same = &*r;
        }
        if (same == nullptr) return false;
        m.vm_flags = same->vm_flags();
        previous = &m;
    }
    return true;
}

Expected<std::vector<MapsEntry>> read_described(pid_t pid, AddressRange agent, const wire::Image* before) {
    if (before == nullptr) return read_smaps(pid);
    TRY_ASSIGN(auto maps, read_maps(pid));
    if (take_flags(*before, agent, maps)) return maps;
    return read_smaps(pid);
}

// The files of an image: each is in it once, however often it is mapped.
class FilesOfImage {
  public:
    explicit FilesOfImage(wire::Image& image) : image_(image) {}
    uint32_t index_of(pid_t pid, const MapsEntry& m) {
        uint64_t device = uint64_t{m.dev_major} << 32 | m.dev_minor;
        auto [it, is_new] = known_.try_emplace({device, m.inode}, Known{static_cast<uint32_t>(known_.size())});
        Known& known = it->second;
        if (is_new) {
            wire::MappedFile& f = *image_.add_files();
            f.set_index(known.index);
            f.set_device(device);
            f.set_inode(m.inode);
            f.set_name(m.name);
            f.set_shared_memory(is_memory_only(m.name));
        }
        if (!known.has_size) add_size(pid, m, known);
        return known.index;
    }

  private:
    struct Known {
        uint32_t index;
        bool has_size = false;  // not only what its mappings let one know
    };
    void add_size(pid_t pid, const MapsEntry& m, Known& known) {
        auto size = size_of_file(pid, m);
        wire::MappedFile& f = *image_.mutable_files(static_cast<int>(known.index));
        f.set_size(std::max(f.size(), size ? *size : readable_size(pid, m)));
        known.has_size = size.has_value();
    }

    wire::Image& image_;
    std::map<std::pair<uint64_t, uint64_t>, Known> known_;
};

}  // namespace

Status describe_regions(pid_t pid, AddressRange agent, wire::Image& image, const wire::Image* before) {
    TRY_ASSIGN(auto maps, read_described(pid, agent, before));
    image.clear_regions();
    image.clear_files();
    FilesOfImage files(image);
    for (const auto& m : maps) {
        if (m.name == "[vsyscall]" || agent.overlaps(m.start, m.end)) continue;
        wire::Region& r = *image.add_regions();
        fill_region(m, r);
        if (is_kernel_code(m)) {
            r.set_kind(wire::Region::VDSO);
            continue;
        }
        // A private mapping of /dev/zero is anonymous memory with a name.
        if (!m.has_file() || (!m.shared && m.name == "/dev/zero")) {
            r.set_kind(wire::Region::ANONYMOUS);
            continue;
        }
        r.set_kind(wire::Region::FILE);
        r.set_offset(m.offset);
        r.set_file(files.index_of(pid, m));
    }
    return {};
}

Status describe_guard_pages(pid_t pid, const DirtyTracking* tracking, wire::Image& image) {
    image.clear_guards();
    image.set_carries_guards(tells_guard_pages());
    std::vector<PageRun> anonymous, others;
    for (const auto& r : image.regions()) {
        bool is_anonymous = r.kind() == wire::Region::ANONYMOUS && !r.shared();
        if (r.kind() != wire::Region::VDSO) (is_anonymous ? anonymous : others).push_back({r.start(), r.end()});
    }
    TRY_ASSIGN(auto elsewhere, find_guard_pages(pid, others));
    if (!elsewhere.empty())
        return fail("cantmove: it has guard pages in a mapped file or shared memory (MADV_GUARD_INSTALL, at {:x})",
                    elsewhere.runs().front().start);
    if (tracking != nullptr) {
        TRY_ASSIGN(auto touched, tracking->touched(anonymous));
        anonymous = close_runs(touched);
    }
    TRY_ASSIGN(auto guards, find_guard_pages(pid, anonymous));
    for (const auto& run : guards.runs()) {
        wire::PageRange& range = *image.add_guards();
        range.set_start(run.start);
        range.set_end(run.end);
    }
    return {};
}

PageSet guard_pages_of(const wire::Image& image) {
    PageSet guards;
    for (const auto& range : image.guards()) guards.add(range.start(), range.end());
    return guards;
}

std::vector<MapsEntry> shared_mappings_of(const wire::Image& image) {
    std::vector<MapsEntry> maps;
    for (const auto& r : image.regions()) {
        if (r.kind() != wire::Region::FILE || !r.shared()) continue;
        const auto& file = image.files(static_cast<int>(r.file()));
        MapsEntry& m = maps.emplace_back();
        m.start = r.start();
        m.end = r.end();
        m.read = (r.protection() & PROT_READ) != 0;
        m.write = (r.protection() & PROT_WRITE) != 0;
        m.exec = (r.protection() & PROT_EXEC) != 0;
        m.shared = true;
        m.offset = r.offset();
        m.dev_major = static_cast<uint32_t>(file.device() >> 32);
        m.dev_minor = static_cast<uint32_t>(file.device());
        m.inode = file.inode();
        m.name = r.name();
        m.vm_flags = r.vm_flags();
    }
    return maps;
}

namespace {

// What is left of a region outside of `hole`.
void add_outside(wire::Region& r, AddressRange hole, std::vector<wire::Region>& to) {
    if (!hole.overlaps(r.start(), r.end())) return to.push_back(std::move(r));
    if (r.start() < hole.start) {
        to.push_back(r);
        to.back().set_end(hole.start);
    }
    if (r.end() > hole.end) {
        to.push_back(r);
        to.back().set_start(hole.end);
        if (r.kind() == wire::Region::FILE) to.back().set_offset(r.offset() + (hole.end - r.start()));
    }
}

}  // namespace

void set_kernel_code(wire::Image& image, const wire::Image& arrived) {
    std::vector<wire::Region> regions;
    for (auto& r : *image.mutable_regions())
        if (r.kind() != wire::Region::VDSO) regions.push_back(std::move(r));
    for (const auto& code : arrived.regions()) {
        if (code.kind() != wire::Region::VDSO) continue;
        AddressRange place{code.start(), code.end()};
        std::vector<wire::Region> next;
        uint64_t covered = 0;
        for (auto& r : regions) {
            if (place.overlaps(r.start(), r.end())) covered += std::min(r.end(), place.end) - std::max(r.start(), place.start);
            add_outside(r, place, next);
        }
        if (covered == place.end - place.start) next.push_back(code);  // else the program has unmapped it
        regions = std::move(next);
    }
    std::sort(regions.begin(), regions.end(), [](const auto& a, const auto& b) { return a.start() < b.start(); });
    image.clear_regions();
    for (auto& r : regions) *image.add_regions() = std::move(r);
}

Status describe_home_vdso(pid_t alive, wire::Image& image) {
    TRY_ASSIGN(VdsoRange vdso, find_vdso(alive));
    std::string bytes(vdso.end - vdso.start, '\0');
    TRY(RemoteMemory(alive).read(vdso.start, std::as_writable_bytes(std::span(bytes))));
    image.set_vdso(std::move(bytes));
    return {};
}

namespace {

bool is_c_library(const std::string& name) {
    std::string_view file(name);
    file.remove_prefix(file.rfind('/') + 1);
    return file.starts_with("libc.so") || file.starts_with("libc-2.") || file.starts_with("libc.musl-") ||
           file.starts_with("ld-musl-");
}

// Above the libraries: below them is where new mappings go, above them only the stack, which is far. From there a jump of 32 bits
// reaches the C library, whose system calls can then be answered by patched sites. 0: there is no such place, or mappings go
// upwards (an unlimited stack), and the libraries are low.
uint64_t choose_near_library(const std::vector<MapsEntry>& maps) {
    constexpr uint64_t kReach = uint64_t{1} << 31, kFromLibraries = uint64_t{64} << 20, kFromStack = uint64_t{1} << 34;
    constexpr uint64_t kLowest = uint64_t{0x7000} << 32,
                       kHighest = uint64_t{0x7ffb}
                                  << 32;  // above, a node's kernel may have the stack of the stub that becomes the guest
    constexpr uint64_t kChoices = (uint64_t{256} << 20) / kPage;
    auto library = std::find_if(maps.begin(), maps.end(), [](const MapsEntry& m) { return m.exec && is_c_library(m.name); });
    if (library == maps.end() || library->start < kLowest) return 0;
    uint64_t random = 0;
    (void)!::getrandom(&random, sizeof random, 0);
    uint64_t from = kFromLibraries + (random % kChoices) * kPage;
    for (auto m = library; std::next(m) != maps.end(); ++m) {
        uint64_t base = m->end + from, end = base + kAgentSize;
        if (end > kHighest || end - library->start > kReach) return 0;
        if (std::next(m)->start > end && std::next(m)->start - end > kFromStack) return m->name == "[heap]" ? 0 : base;
    }
    return 0;
}

}  // namespace

Expected<uint64_t> choose_agent_base(const std::vector<MapsEntry>& maps) {
    if (uint64_t near = choose_near_library(maps)) return near;
    constexpr uint64_t kLowest = uint64_t{1} << 32, kHighest = uint64_t{0x7000} << 32;
    constexpr uint64_t kMargin = uint64_t{1} << 34;  // 16 GiB from any neighbour: heaps and stacks grow
    struct Gap {
        uint64_t start, end;
    };
    Gap best{0, 0};
    uint64_t previous = kLowest;
    auto consider = [&](uint64_t start, uint64_t end) {
        end = std::min(end, kHighest);
        if (end > start && end - start > best.end - best.start) best = {start, end};
    };
    for (const auto& m : maps) {
        consider(previous, m.start);
        previous = std::max(previous, m.end);
    }
    consider(previous, kHighest);
    uint64_t room = best.end - best.start;
    if (room < kAgentSize + 2 * kPage) return fail("the address space has no room for the agent ({} bytes)", kAgentSize);
    uint64_t margin = std::min(kMargin, (room - kAgentSize) / 4);
    uint64_t choices = (room - kAgentSize - 2 * margin) / kPage;
    uint64_t random = 0;
    (void)!::getrandom(&random, sizeof random, 0);
    return (best.start + margin + (random % std::max<uint64_t>(choices, 1)) * kPage) & ~(kPage - 1);
}

std::vector<int> advice_of(const std::string& vm_flags, const std::string& before) {
    if (vm_flags == before) return {};
    struct Advice {
        const char* flag;
        int set, clear;
    };
    constexpr int kNone = -1;
    static constexpr Advice kAdvice[] = {
        {"hg", MADV_HUGEPAGE, kNone},         {"nh", MADV_NOHUGEPAGE, kNone},           {"dd", MADV_DONTDUMP, MADV_DODUMP},
        {"dc", MADV_DONTFORK, MADV_DOFORK},   {"wf", MADV_WIPEONFORK, MADV_KEEPONFORK}, {"mg", MADV_MERGEABLE, MADV_UNMERGEABLE},
        {"sr", MADV_SEQUENTIAL, MADV_NORMAL}, {"rr", MADV_RANDOM, MADV_NORMAL}};
    std::vector<int> out;
    for (const auto& a : kAdvice)
        if (has_vm_flag(before, a.flag) && !has_vm_flag(vm_flags, a.flag) && a.clear != kNone) out.push_back(a.clear);
    for (const auto& a : kAdvice)
        if (has_vm_flag(vm_flags, a.flag) && !has_vm_flag(before, a.flag)) out.push_back(a.set);
    return out;
}

}  // namespace pmi

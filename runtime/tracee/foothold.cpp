#include "runtime/tracee/foothold.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "runtime/kernel/mapping_query.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/memory.h"

namespace pmi {
namespace {

constexpr uint64_t kAtOnce = 1u << 20;  // bytes

class Search {
  public:
    explicit Search(pid_t pid) : memory_(pid) {}

    // Code that can't be read has nothing to offer.
    void look_at(const MapsEntry& code) {
        std::vector<std::byte> text;
        for (uint64_t at = code.start; at < code.end && !found(); at += kAtOnce) {
            text.resize(std::min(kAtOnce + 1, code.end - at));  // one may lie across
            text.resize(memory_.read_some(at, text));
            look_at(at, text);
        }
    }
    bool found() const { return syscall_ && empty_string_; }
    Foothold result() const { return {*syscall_, *empty_string_}; }

  private:
    void look_at(uint64_t at, const std::vector<std::byte>& text) {
        static constexpr std::byte kSyscall[] = {std::byte{0x0f}, std::byte{0x05}};
        auto instruction = std::search(text.begin(), text.end(), std::begin(kSyscall), std::end(kSyscall));
        if (!syscall_ && instruction != text.end()) syscall_ = at + static_cast<uint64_t>(instruction - text.begin());
        auto zero = std::find(text.begin(), text.end(), std::byte{0});
        if (!empty_string_ && zero != text.end()) empty_string_ = at + static_cast<uint64_t>(zero - text.begin());
    }
    RemoteMemory memory_;
    std::optional<uint64_t> syscall_, empty_string_;
};

}  // namespace

Expected<Foothold> find_foothold(pid_t pid, uint64_t agent_base) {
    Search search(pid);
    TRY_ASSIGN(auto vdso, find_vdso_mapping(pid));
    if (vdso && vdso->read && vdso->exec) search.look_at(*vdso);
    if (search.found()) return search.result();
    TRY_ASSIGN(auto maps, read_maps(pid));
    for (const auto& m : maps) {
        bool is_its_own = m.name != "[vsyscall]" && (agent_base == 0 || m.start != agent_base);
        if (is_its_own && m.read && m.exec && m.name != "[vdso]" && !search.found()) search.look_at(m);
    }
    if (!search.found()) return fail("process {} has no system call instruction that can be read", pid);
    return search.result();
}

}  // namespace pmi

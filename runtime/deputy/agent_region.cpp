#include "runtime/deputy/agent_region.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/kernel/procfs.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/foothold.h"
#include "runtime/tracee/injected_run.h"

namespace pmi {
namespace {

constexpr uint64_t kFileSize = kAgentSize;

// The process makes a memfd: the only way to share memory with it without touching any of its own.
Expected<int> make_file_there(Injector& injector, const Foothold& foothold) {
    constexpr uint64_t kExec = 0x10;  // MFD_EXEC, Linux 6.3
    auto make = [&](uint64_t flags) {
        return injector.call_at(foothold.syscall, SYS_memfd_create, {foothold.empty_string, flags, 0, 0, 0, 0});
    };
    TRY_ASSIGN(int64_t fd, make(MFD_CLOEXEC | kExec));
    if (fd == -EINVAL) {
        TRY_ASSIGN(fd, make(MFD_CLOEXEC));
    }
    if (fd < 0) return fail_code(static_cast<int>(-fd), "memfd_create in the program");
    return static_cast<int>(fd);
}

}  // namespace

Expected<std::shared_ptr<AgentRegion>> AgentRegion::place(pid_t pid, StopWaiter& waiter, uint64_t base) {
    TRY_ASSIGN(Foothold foothold, find_foothold(pid));
    if (base == 0) {
        TRY_ASSIGN(auto maps, read_maps(pid));
        TRY_ASSIGN(base, choose_agent_base(maps));
    }
    Injector injector(pid, waiter);
    TRY_ASSIGN(int there, make_file_there(injector, foothold));
    auto inject = [&](int64_t nr, std::array<uint64_t, 6> args) { return injector.call_at(foothold.syscall, nr, args); };
    // By its name: a pidfd has the files of a leader only, which may have ended.
    auto file = open_file(fmt::format("/proc/{}/fd/{}", pid, there), O_RDWR);
    auto fd = static_cast<uint64_t>(there);
    Status filled;
    if (!file) {
        filled = std::move(file.error());
    } else if (::ftruncate(file->get(), kFileSize) != 0) {
        filled = fail_errno("size the agent's memory");
    } else if (::pwrite(file->get(), pmi_agent_begin, static_cast<size_t>(pmi_agent_end - pmi_agent_begin), 0) < 0) {
        filled = fail_errno("write the agent");
    }
    int64_t code = -1, data = -1;
    if (filled) {
        TRY_ASSIGN(code, inject(SYS_mmap, {base, kAgentCode, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0}));
        TRY_ASSIGN(data, inject(SYS_mmap, {base + kAgentData, kAgentSize - kAgentData, PROT_READ | PROT_WRITE,
                                           MAP_SHARED | MAP_FIXED_NOREPLACE, fd, kAgentData}));
    }
    TRY(inject(SYS_close, {fd, 0, 0, 0, 0, 0}));
    TRY(std::move(filled));
    if (code < 0) return fail_code(static_cast<int>(-code), "map the agent into the program");
    if (data < 0) return fail_code(static_cast<int>(-data), "map the agent's memory into the program");
    void* local = ::mmap(nullptr, kAgentSize - kAgentData, PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), kAgentData);
    if (local == MAP_FAILED) return fail_errno("map the agent's memory");
    return std::make_shared<AgentRegion>(base, Mapping(local, kAgentSize - kAgentData));
}

Status AgentRegion::remove(pid_t pid, uint64_t base, StopWaiter& waiter) {
    TRY_ASSIGN(Foothold foothold, find_foothold(pid, base));
    TRY_ASSIGN(int64_t result, Injector(pid, waiter).call_at(foothold.syscall, SYS_munmap, {base, kAgentSize, 0, 0, 0, 0}));
    if (result < 0) return fail_code(static_cast<int>(-result), "unmap the agent");
    return {};
}

Expected<uint32_t> AgentRegion::allocate_slot() {
    std::lock_guard lock(mutex_);
    for (uint32_t i = 0; i < kMaxSlots - 2; i++) {  // the last two arenas are for batches
        if (taken_[i]) continue;
        taken_[i] = true;
        *slot(i) = Slot{};
        return i;
    }
    return fail("more than {} threads are away", kMaxSlots - 2);
}

void AgentRegion::free_slot(uint32_t index) {
    std::lock_guard lock(mutex_);
    taken_[index] = false;
}

size_t AgentRegion::free_slots() const {
    std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count(taken_.begin(), taken_.end() - 2, false));
}

Slot* AgentRegion::slot(uint32_t index) const {
    PMI_ASSERT(index < kMaxSlots);
    return reinterpret_cast<Slot*>(data_.data() + (kSlotsOffset - kAgentData)) + index;
}
std::span<std::byte> AgentRegion::arena(uint32_t index) const {
    PMI_ASSERT(index < kMaxSlots);
    return {data_.data() + (kArenasOffset - kAgentData) + index * kArenaSize, kArenaSize};
}
std::optional<AgentRegion::LargeArena> AgentRegion::take_large_arena() {
    std::lock_guard lock(mutex_);
    for (uint32_t i = 0; i < kLargeArenas; i++)
        if (!std::exchange(large_taken_[i], true)) return LargeArena(*this, i);
    return std::nullopt;
}

void AgentRegion::LargeArena::Free::operator()(AgentRegion* region) const {
    std::lock_guard lock(region->mutex_);
    region->large_taken_[index] = false;
}

std::span<std::byte> AgentRegion::LargeArena::memory() const {
    return {region_->data_.data() + (offset() - kAgentData), kLargeArenaSize};
}

AgentHeader* AgentRegion::header() const { return reinterpret_cast<AgentHeader*>(data_.data()); }

Registers AgentRegion::loop_registers(const Registers& like, uint32_t index) const {
    Registers r = without_trap_flag(like);
    r.rip = agent_address(base_, pmi_agent_loop);
    r.rbx = slot_address(index);
    r.r14 = header_address();
    r.rax = 0;
    r.orig_rax = static_cast<uint64_t>(-1);
    return r;
}

}  // namespace pmi

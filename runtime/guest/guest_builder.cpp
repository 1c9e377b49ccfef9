#include "runtime/guest/guest_builder.h"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>

#include "interpose/filter/filter.h"
#include "interpose/patch/answers.h"
#include "kernel-assist/userspace/userspace_assist.h"
#include "remote/jail/stub.h"
#include "runtime/base/log.h"
#include "runtime/guest/memory_limits.h"
#include "runtime/memory/region_plan.h"

namespace pmi {
namespace {

constexpr unsigned long kGuestOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
constexpr size_t kFilesAtFirst = 200;  // SCM_MAX_FD is 253, for these and what else the stub gets

// mprotect must not make it writable.
bool is_for_reading(const wire::Region& r) {
    return r.kind() == wire::Region::FILE && r.shared() && !has_vm_flag(r.vm_flags(), "mw");
}

Status all_worked(const Batch& batch, const std::vector<std::pair<size_t, std::string>>& calls) {
    for (const auto& [call, what] : calls) TRY(batch.check(call, what.c_str()));
    return {};
}

}  // namespace

Status GuestBuilder::lay_out() {
    TRY(twins_.prepare(image_));
    TRY(start_stub());
    TRY(clear_address_space());
    TRY(pass_new_files());  // those for which one message had no room
    return map_regions();
}

Status GuestBuilder::start_stub() {
    TRY_ASSIGN(Fd stub, make_stub(image_.agent_base()));
    std::vector<int> fds;
    for (const auto& r : image_.regions()) {
        if (fds.size() == kFilesAtFirst) break;
        if (r.kind() != wire::Region::FILE || !stub_fds_.try_emplace(key_of(r), fds.size()).second) continue;
        fds.push_back(twin_fd_for(r));
    }
    clock_fd_ = fds.size();
    fds.push_back(clock_.read_only_fd());
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("socketpair");
    Fd theirs(pair[1]);
    line_.reset(pair[0]);
    line_there_ = fds.size();
    fds.push_back(theirs.get());
    Fd faults = UserFault::open_device();
    if (faults.valid()) {
        faults_there_ = fds.size();
        fds.push_back(faults.get());
    }
    TRY_ASSIGN(auto spawned, jail_.spawn(HomePid(image_.pid()), stub.get(), fds));
    outer_ = spawned.outer;
    pidfd_ = std::move(spawned.pidfd);
    TRY(seize(outer_, kGuestOptions | PTRACE_O_TRACEEXEC));
    spawned.start.reset();
    for (;;) {
        TRY_ASSIGN(int status, waiter_.wait(outer_, 5000));
        Stop stop = classify(status);
        if (stop.kind == Stop::Kind::Exited) return fail("the guest's stub ended at once (status {:#x})", status);
        if (stop.kind == Stop::Kind::Event && stop.event == PTRACE_EVENT_EXEC) break;
        TRY(resume(outer_, stop.kind == Stop::Kind::Signal ? stop.signal : 0));
    }
    TRY(set_options(outer_, kGuestOptions));
    return set_signal_mask(outer_, kInjectionMask);
}

// The node's own vDSO goes to the agent's place, where home has nothing of the program's either. All parts keep their
// distances: the code finds its data relative to itself. A kernel that has sealed it (CONFIG_MSEAL_SYSTEM_MAPPINGS) leaves it
// where it is, which is random.
Status GuestBuilder::move_vdso(const std::vector<MapsEntry>& maps) {
    AddressRange block = kernel_block(maps);
    uint64_t size = block.end - block.start;
    if (size > kLocalVdsoRoom) return fail("this kernel's vDSO has {} bytes", size);
    bool is_sealed =
        std::any_of(maps.begin(), maps.end(), [](const auto& m) { return is_kernel_code(m.name) && m.has_flag("sl"); });
    uint64_t place = image_.agent_base() + kLocalVdsoOffset;
    if (block.overlaps(place, place + kLocalVdsoRoom)) place += kLocalVdsoRoom;
    if (is_sealed) place = block.start;
    vdso_.local = {place, place + size};
    Batch batch(outer_, outer_, agent(), waiter_);
    std::vector<std::pair<size_t, std::string>> calls;
    for (const auto& m : maps) {
        bool is_agent = m.start >= image_.agent_base() && m.end <= image_.agent_base() + kAgentSize;
        if (is_kernel_code(m.name) && !is_sealed)
            calls.emplace_back(
                batch.call(SYS_mremap, m.start, m.size(), m.size(), MREMAP_MAYMOVE | MREMAP_FIXED, place + (m.start - block.start)),
                "move the vDSO");
        else if (!is_kernel_code(m.name) && m.name != "[vsyscall]" && !is_agent)
            batch.call(SYS_munmap, m.start, m.size());
    }
    TRY(batch.run());
    TRY(all_worked(batch, calls));
    if (!is_sealed) return {};
    AddressRange agent_place{image_.agent_base(), image_.agent_base() + kAgentSize};
    bool is_taken = agent_place.overlaps(place, place + size);
    for (const auto& r : image_.regions()) is_taken |= vdso_.local.overlaps(r.start(), r.end());
    return is_taken ? fail("this kernel's vDSO is sealed, and where the program has memory; try again") : Status();
}

// What the agent takes at home must stay free here, or the program could map something there.
Status GuestBuilder::reserve_agent_place() {
    Batch batch(outer_, outer_, agent(), waiter_);
    std::vector<std::pair<size_t, std::string>> calls;
    auto reserve = [&](uint64_t start, uint64_t end) {
        if (start >= end) return;
        calls.emplace_back(batch.call(SYS_mmap, start, end - start, PROT_NONE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, static_cast<uint64_t>(-1), 0),
                           "reserve the agent's place");
    };
    uint64_t page = image_.agent_base() + kClockPageOffset, end = image_.agent_base() + kAgentSize;
    calls.emplace_back(batch.call(SYS_mmap, page, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, clock_fd_, 0), "map the clocks' page");
    AddressRange rest{page + kPage, end};
    if (rest.overlaps(vdso_.local.start, vdso_.local.end)) {
        reserve(rest.start, vdso_.local.start);
        rest.start = vdso_.local.end;
    }
    reserve(rest.start, rest.end);
    // What patched sites will need (interpose/patch); the rest of the place stays empty.
    constexpr auto kNoFile = static_cast<uint64_t>(-1);
    uint64_t answers = image_.agent_base() + kAnswersOffset, stubs = image_.agent_base() + kStubsOffset;
    calls.emplace_back(
        batch.call(SYS_mmap, answers, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, kNoFile, 0),
        "map the page of answers");
    calls.emplace_back(
        batch.call(SYS_mmap, stubs, kStubsSize, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, kNoFile, 0),
        "map the stubs");
    TRY(batch.run());
    return all_worked(batch, calls);
}

Status GuestBuilder::find_node_functions() {
    TRY_ASSIGN(auto maps, read_maps(outer_));
    auto it = std::find_if(maps.begin(), maps.end(), [](const auto& m) { return m.name == "[vdso]"; });
    if (it == maps.end()) return {};  // booted without: the shims make system calls
    std::vector<std::byte> image(std::min<uint64_t>(it->size(), kMaxVdso));
    TRY(RemoteMemory(outer_).read(it->start, image));
    TRY_ASSIGN(auto functions, vdso_functions(image));
    auto address_of = [&](const char* name) {
        uint64_t offset = offset_of(functions, name);
        return offset == 0 ? 0 : it->start + offset;
    };
    clock_.set_node_functions(address_of("__vdso_clock_gettime"), address_of("__vdso_getcpu"));
    return {};
}

// Home's functions at their addresses, and nothing where home's kernel has its data.
Status GuestBuilder::place_home_vdso() {
    std::string copy = vdso_copy(vdso_, image_);
    Batch batch(outer_, outer_, agent(), waiter_);
    std::vector<std::pair<size_t, std::string>> calls;
    for (const auto& r : image_.regions()) {
        if (r.kind() != wire::Region::VDSO) continue;
        bool is_code = r.name() == "[vdso]";
        uint64_t protection = is_code ? r.protection() & (PROT_READ | PROT_EXEC) : static_cast<uint64_t>(PROT_NONE);
        calls.emplace_back(batch.call(SYS_mmap, r.start(), r.end() - r.start(), protection,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, static_cast<uint64_t>(-1), 0),
                           fmt::format("map home's {}", r.name()));
    }
    if (calls.empty()) return {};
    auto [start, end] = vdso_.trampolines;
    if (start < end)
        calls.emplace_back(batch.call(SYS_mprotect, start, end - start, PROT_READ | PROT_EXEC), "open the trampolines' place");
    TRY(batch.run());
    TRY(all_worked(batch, calls));
    return RemoteMemory(outer_).write(start, std::as_bytes(std::span(copy)));
}

Status GuestBuilder::clear_address_space() {
    TRY_ASSIGN(vdso_, describe_vdso(image_));
    TRY_ASSIGN(auto maps, read_smaps(outer_));
    TRY(move_vdso(maps));
    TRY(reserve_agent_place());
    TRY(find_node_functions());
    return place_home_vdso();
}

GuestBuilder::FileKey GuestBuilder::key_of(const wire::Region& r) const {
    const auto& file = image_.files(static_cast<int>(r.file()));
    return {file.device(), file.inode(), is_for_reading(r)};
}

int GuestBuilder::twin_fd_for(const wire::Region& r) const {
    return is_for_reading(r) ? twins_.read_only_fd_of(r.file()) : twins_.fd_of(r.file());
}

// The descriptor of its file in the stub.
uint64_t GuestBuilder::fd_for(const wire::Region& r) const { return stub_fds_.at(key_of(r)); }

Status GuestBuilder::map_regions() {
    Batch batch(outer_, outer_, agent(), waiter_);
    std::vector<std::pair<size_t, std::string>> calls;
    for (const auto& r : image_.regions()) {
        if (r.kind() == wire::Region::VDSO) continue;
        bool file = r.kind() == wire::Region::FILE;
        uint64_t flags = MAP_FIXED_NOREPLACE | (r.shared() ? MAP_SHARED : MAP_PRIVATE);
        if (!file) flags |= MAP_ANONYMOUS;
        if (r.grows_down()) flags |= MAP_GROWSDOWN | MAP_STACK;
        if (has_vm_flag(r.vm_flags(), "nr")) flags |= MAP_NORESERVE;
        for (const auto& part : parts_of(r))
            calls.emplace_back(
                batch.call(SYS_mmap, part.start, part.end - part.start, r.protection(), flags,
                           file ? fd_for(r) : static_cast<uint64_t>(-1), file ? r.offset() + (part.start - r.start()) : 0),
                fmt::format("map {:#x}-{:#x} {}", part.start, part.end, r.name()));
        for (int advice : advice_of(r.vm_flags()))
            batch.call(SYS_madvise, r.start(), r.end() - r.start(), static_cast<uint64_t>(advice));
    }
    TRY(batch.run());
    return all_worked(batch, calls);
}

Status GuestBuilder::set_limits() const {
    for (const auto& l : image_.limits())
        if (is_memory_limit(l.resource())) TRY(set_memory_limit(outer_, l));
    rlimit no_core{0, 0};
    if (::prlimit(outer_, RLIMIT_CORE, &no_core, nullptr) != 0) return fail_errno("set limits of the guest");
    return {};
}

Expected<pid_t> GuestBuilder::make_thread(HomePid tid) {
    TRY(jail_.set_next_pid(tid));
    TRY_ASSIGN(Registers saved, get_registers(outer_));
    Registers r = saved;
    r.rip = agent_address(image_.agent_base(), pmi_agent_syscall);
    r.rax = SYS_clone;
    r.orig_rax = static_cast<uint64_t>(-1);
    r.rdi = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    r.rsi = r.rdx = r.r10 = r.r8 = 0;
    TRY(set_registers(outer_, r));
    TRY(resume(outer_));
    pid_t made = 0;
    for (;;) {
        TRY_ASSIGN(int status, waiter_.wait(outer_, 5000));
        Stop stop = classify(status);
        if (stop.kind == Stop::Kind::Exited) return fail("the guest ended while its threads were made");
        if (stop.kind == Stop::Kind::Event && stop.event == PTRACE_EVENT_CLONE) {
            TRY_ASSIGN(uint64_t message, event_message(outer_));
            made = static_cast<pid_t>(message);
        }
        if (stop.kind == Stop::Kind::Signal && stop.signal == SIGTRAP) break;
        TRY(resume(outer_));
    }
    TRY_ASSIGN(Registers after, get_registers(outer_));
    auto got = static_cast<int64_t>(after.rax);
    if (got < 0) return fail_code(static_cast<int>(-got), "make thread {}", tid.value);
    if (got != tid.value || made == 0) return fail("thread {} got the number {}", tid.value, got);
    TRY(set_registers(outer_, saved));
    TRY_ASSIGN(int status, waiter_.wait(made, 5000));
    if (classify(status).kind != Stop::Kind::Interrupt) return fail("thread {} does not start", tid.value);
    return made;
}

Status GuestBuilder::make_threads() {
    threads_[HomePid(image_.pid())] = outer_;
    for (const auto& t : image_.threads()) {
        if (t.tid() == image_.pid()) continue;
        TRY_ASSIGN(pid_t made, make_thread(HomePid(t.tid())));
        threads_[HomePid(t.tid())] = made;
        TRY(set_signal_mask(made, kInjectionMask));
    }
    return {};
}

Expected<Fd> GuestBuilder::install_filter() {
    auto filter = guest_filter();
    Batch batch(outer_, outer_, agent(), waiter_);
    sock_fprog program{static_cast<unsigned short>(filter.size()),
                       reinterpret_cast<sock_filter*>(batch.data(filter.data(), filter.size() * sizeof(sock_filter)))};
    uint64_t at = batch.data(&program, sizeof program);
    batch.call(SYS_close_range, 0, ~0U, 0);
    constexpr uint64_t kWaitKillable = 1 << 5, kTsyncEsrch = 1 << 4;  // newer than Debian 12's header
    size_t call = batch.call(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                             SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC | kTsyncEsrch | kWaitKillable, at);
    TRY(batch.run());
    TRY(batch.check(call, "install the guest's filter"));
    guest_listener_ = static_cast<int>(batch.result(call));
    int fd = static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd_.get(), guest_listener_, 0));
    if (fd < 0) return fail_errno("take the guest's listener");
    return Fd(fd);
}

// Last of the address space: a locked range can't be filled page by page.
Status GuestBuilder::lock_regions() {
    Batch batch(outer_, outer_, agent(), waiter_);
    for (const auto& r : image_.regions())
        if (has_vm_flag(r.vm_flags(), "lo")) batch.call(SYS_mlock, r.start(), r.end() - r.start());
    return batch.run();
}

Status GuestBuilder::make_tasks() {
    TRY(make_threads());
    return assist_.install_process(outer_, image_, agent(), waiter_);
}

// The kernel writes to a thread's rseq area, which must have its memory by then.
Expected<Fd> GuestBuilder::finish() {
    TRY(set_limits());
    TRY(lock_regions());
    std::vector<ThreadState> threads;
    for (const auto& t : image_.threads())
        if (!t.ended()) threads.push_back({threads_.at(HomePid(t.tid())), &t});
    TRY(assist_.install_threads(threads, agent(), waiter_));
    return install_filter();
}

}  // namespace pmi

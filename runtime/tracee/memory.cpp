#include "runtime/tracee/memory.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>

namespace pmi {

size_t RemoteMemory::read_some(uint64_t address, std::span<std::byte> to) const {
    size_t done = 0;
    while (done < to.size()) {
        iovec local{to.data() + done, to.size() - done};
        iovec remote{reinterpret_cast<void*>(address + done), to.size() - done};  // NOLINT: an address over there
        ssize_t n = ::process_vm_readv(pid_, &local, 1, &remote, 1, 0);
        if (n <= 0) break;
        done += static_cast<size_t>(n);
    }
    return done;
}

size_t RemoteMemory::write_some(uint64_t address, std::span<const std::byte> from) const {
    size_t done = 0;
    while (done < from.size()) {
        iovec local{const_cast<std::byte*>(from.data()) + done, from.size() - done};
        iovec remote{reinterpret_cast<void*>(address + done), from.size() - done};  // NOLINT: an address over there
        ssize_t n = ::process_vm_writev(pid_, &local, 1, &remote, 1, 0);
        if (n <= 0) break;
        done += static_cast<size_t>(n);
    }
    return done;
}

size_t RemoteMemory::count_readable(std::span<const uint64_t> addresses) const {
    constexpr size_t kMost = 128;
    std::array<std::byte, kMost> bytes;
    std::array<iovec, kMost> remote;
    size_t done = 0;
    while (done < addresses.size()) {
        size_t count = std::min(addresses.size() - done, kMost);
        for (size_t i = 0; i < count; i++)
            remote[i] = {reinterpret_cast<void*>(addresses[done + i]), 1};  // NOLINT: an address over there
        iovec local{bytes.data(), count};
        ssize_t n = ::process_vm_readv(pid_, &local, 1, remote.data(), count, 0);
        if (n <= 0) break;
        done += static_cast<size_t>(n);
    }
    return done;
}

namespace {

// The kernel counts a stack that grows in this way against the limit of whoever reaches into it (acct_stack_growth in mm/vma.c).
// All threads of this process have theirs meanwhile: it matters to a stack that grows, and to an exec.
class WithStackLimitOf {
  public:
    explicit WithStackLimitOf(pid_t pid) {
        rlimit theirs{};
        if (::prlimit(pid, RLIMIT_STACK, nullptr, &theirs) != 0 || ::getrlimit(RLIMIT_STACK, &before_) != 0) return;
        rlimit as_theirs{std::min(theirs.rlim_cur, before_.rlim_max), before_.rlim_max};
        is_changed_ = as_theirs.rlim_cur != before_.rlim_cur && ::setrlimit(RLIMIT_STACK, &as_theirs) == 0;
    }
    ~WithStackLimitOf() {
        if (is_changed_) ::setrlimit(RLIMIT_STACK, &before_);
    }
    WithStackLimitOf(const WithStackLimitOf&) = delete;

  private:
    rlimit before_{};
    bool is_changed_ = false;
};

}  // namespace

bool RemoteMemory::grow_stack(uint64_t address) const {
    WithStackLimitOf limit(pid_);
    std::byte byte{};
    if (force(address, &byte, 1, false)) return true;
    // It may have grown all the same: in this way nobody waits for a page that a userfaultfd is to bring.
    return read_some(address, std::span(&byte, 1)) == 1;
}

Status RemoteMemory::read(uint64_t address, std::span<std::byte> to) const {
    size_t done = read_some(address, to);
    if (done == to.size()) return {};
    return force(address + done, to.data() + done, to.size() - done, false);
}

Status RemoteMemory::write(uint64_t address, std::span<const std::byte> from) const {
    size_t done = write_some(address, from);
    if (done == from.size()) return {};
    return force(address + done, const_cast<std::byte*>(from.data()) + done, from.size() - done, true);
}

Status RemoteMemory::force(uint64_t address, void* data, size_t size, bool writing) const {
    if (!mem_.valid()) {
        TRY_ASSIGN(mem_, open_file("/proc/" + std::to_string(pid_) + "/mem", O_RDWR));
    }
    auto* p = static_cast<std::byte*>(data);
    while (size > 0) {
        ssize_t n = writing ? ::pwrite(mem_.get(), p, size, static_cast<off_t>(address))
                            : ::pread(mem_.get(), p, size, static_cast<off_t>(address));
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EFAULT;
        if (n <= 0) return fail_errno("{} {} bytes of process {} at {:#x}", writing ? "write" : "read", size, pid_, address);
        p += n;
        address += static_cast<uint64_t>(n);
        size -= static_cast<size_t>(n);
    }
    return {};
}

}  // namespace pmi

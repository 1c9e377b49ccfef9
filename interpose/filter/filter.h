// The guest's seccomp program, derived from the table: calls of Route::Local are allowed, everything else
// notifies the guest supervisor, so do those of the i386 ABI, which it never lets run here; x32 gives ENOSYS, as on kernels without
// it. No instruction pointer is exempt: a hostile guest could jump there.
#pragma once
#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <vector>

namespace pmi {

// Some local calls are local for some arguments only: mmap without a file and not shared, madvise that makes no
// guard pages; see filter.cpp.
std::vector<sock_filter> guest_filter();

// Evaluates a filter in user space, as the kernel would: for tests.
struct SeccompData {
    int32_t nr;
    uint32_t arch;
    uint64_t instruction_pointer;
    uint64_t args[6];
};
uint32_t evaluate_filter(std::span<const sock_filter> program, const SeccompData& data);

}  // namespace pmi

#include "runtime/tracee/cpu_account.h"

#include <cstddef>

#include "runtime/tracee/preload_notes.h"

namespace pmi {

Expected<uint64_t> find_cpu_account(pid_t pid) { return find_in_preload(pid, PMI_CPU_NOTE); }

Status write_cpu_account(const RemoteMemory& memory, uint64_t address, pmi_cpu_account account) {
    TRY_ASSIGN(auto generation, memory.get<uint32_t>(address));
    account.generation = generation + 1;
    size_t used = offsetof(pmi_cpu_account, thread) + account.threads * sizeof account.thread[0];
    return memory.write(address, std::as_bytes(std::span(&account, 1)).first(used));
}

Status clear_cpu_account(const RemoteMemory& memory, uint64_t address) { return write_cpu_account(memory, address, {}); }

}  // namespace pmi

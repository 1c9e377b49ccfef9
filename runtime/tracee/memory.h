// Another process's memory by process_vm_readv(2) and process_vm_writev(2); where those refuse (PROT_NONE, no write
// permission) by /proc/PID/mem, which forces its way as the tracer's right.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/kernel/mapping_query.h"

namespace pmi {

class RemoteMemory {
  public:
    explicit RemoteMemory(pid_t pid) : pid_(pid), mappings_(pid) {}
    pid_t pid() const { return pid_; }

    // How many bytes could be read or written, from the front, with the program's own access rights.
    size_t read_some(uint64_t address, std::span<std::byte> to) const;
    size_t write_some(uint64_t address, std::span<const std::byte> from) const;
    // How many of these, from the first on, it could read.
    size_t count_readable(std::span<const uint64_t> addresses) const;
    // Whether it could not write all of this range, though it is mapped.
    bool is_read_only(uint64_t address, uint64_t size) const { return mappings_.is_read_only(address, size); }
    // The program's own kernel would let its stack grow down to this address; process_vm_writev does not, reading
    // /proc/PID/mem does (Linux 6.5). True when the address can be reached now.
    bool grow_stack(uint64_t address) const;
    // All of them, whatever the protection; Error EFAULT where nothing is mapped.
    Status read(uint64_t address, std::span<std::byte> to) const;
    Status write(uint64_t address, std::span<const std::byte> from) const;

    template <typename T>
    Expected<T> get(uint64_t address) const {
        T value{};
        TRY(read(address, std::as_writable_bytes(std::span(&value, 1))));
        return value;
    }
    template <typename T>
    Status put(uint64_t address, const T& value) const {
        return write(address, std::as_bytes(std::span(&value, 1)));
    }

  private:
    Status force(uint64_t address, void* data, size_t size, bool writing) const;
    pid_t pid_;
    mutable Fd mem_;  // /proc/PID/mem, opened when first needed
    mutable MappingLookup mappings_;
};

}  // namespace pmi

// The marshaller's view of a guest's memory.
#pragma once
#include "interpose/marshal/flatten.h"
#include "runtime/tracee/memory.h"

namespace pmi {

class GuestMemoryAccess : public GuestMemory {
  public:
    explicit GuestMemoryAccess(const RemoteMemory& memory) : memory_(memory) {}
    size_t read(uint64_t address, std::span<std::byte> to) const override { return memory_.read_some(address, to); }
    size_t write(uint64_t address, std::span<const std::byte> from) override { return memory_.write_some(address, from); }

  private:
    const RemoteMemory& memory_;
};

}  // namespace pmi

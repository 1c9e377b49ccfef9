// The marshaller's view of a guest's memory.
#pragma once
#include "interpose/marshal/flatten.h"
#include "runtime/tracee/memory.h"

namespace pmi {

class GuestMemoryAccess : public GuestMemory {
  public:
    explicit GuestMemoryAccess(const RemoteMemory& memory) : memory_(memory) {}
    size_t read(uint64_t address, std::span<std::byte> to) const override {
        size_t done = memory_.read_some(address, to);
        if (done < to.size() && memory_.grow_stack(address + done)) done += memory_.read_some(address + done, to.subspan(done));
        return done;
    }
    size_t write(uint64_t address, std::span<const std::byte> from) override {
        size_t done = memory_.write_some(address, from);
        if (done < from.size() && memory_.grow_stack(address + done))
            done += memory_.write_some(address + done, from.subspan(done));
        return done;
    }
    size_t count_readable(std::span<const uint64_t> addresses) const override {
        size_t count = memory_.count_readable(addresses), more = 1;
        while (more > 0 && count < addresses.size() && memory_.grow_stack(addresses[count]))
            count += more = memory_.count_readable(addresses.subspan(count));
        return count;
    }

    bool is_read_only(uint64_t address, uint64_t size) const override { return memory_.is_read_only(address, size); }

  private:
    const RemoteMemory& memory_;
};

}  // namespace pmi

// One call while it is being flattened: the arena that grows, and what was decided. Errors are sticky: once
// the call is settled otherwise (refused, goes home, runs locally), everything else does nothing, so that the
// marshallers of single calls read as straight lines.
#pragma once
#include <optional>
#include <string_view>

#include "interpose/marshal/bytes.h"
#include "interpose/marshal/flatten.h"

namespace pmi {

// An address of no user memory on any machine: the kernel at home answers EFAULT, exactly where this call
// would.
constexpr uint64_t kBadAddress = 0xffff'8000'0000'0000;
// No buffer is larger, so that something is left of the arena for the rest.
constexpr uint64_t kMaxTransfer = kMaxArena - (4u << 20);
// Below the lowest address that a program can map: such a "pointer" points nowhere, on both sides.
constexpr uint64_t kLowestAddress = 4096;

enum class Direction : uint8_t { In, Out };  // to home, from home

class Gather {
  public:
    Gather(const Row& row, const std::array<uint64_t, 6>& args, const GuestMemory& memory);

    const Row& row() const { return row_; }
    uint64_t arg(unsigned i) const { return args_[i]; }
    int32_t int_arg(unsigned i) const { return static_cast<int32_t>(args_[i]); }

    void refuse(int64_t error);
    void go_home(std::string_view why);
    void run_locally();
    bool settled() const { return settled_.has_value(); }

    // Guest memory. load() refuses with EFAULT and gives zeros where it can't read.
    size_t read_guest(uint64_t address, std::span<std::byte> to) const { return memory_.read(address, to); }
    bool readable(uint64_t address) const;
    // Bytes from `address` on up to the first unreadable one. A look at some pages: in a large range, a hole
    // far from its start may be missed.
    uint64_t readable_prefix(uint64_t address, uint64_t size) const;
    // Of what a call is to fill: goes home where the program could not store it.
    void check_writable(uint64_t address, uint64_t size);
    template <typename T>
    T load(uint64_t address) {
        T value{};
        if (!settled() && memory_.read(address, std::as_writable_bytes(std::span(&value, 1))) != sizeof value) {
            refuse(-EFAULT);
            return T{};
        }
        return value;
    }

    // The arena. Offsets; 0 when settled.
    uint32_t reserve(uint64_t size, uint64_t aligned_like = 0);
    uint32_t copy_in(uint64_t address, uint64_t size);
    uint32_t put_in(std::span<const std::byte> bytes);
    // At most `limit` bytes with the NUL; a longer string gives `too_long`, or is cut if that is 0.
    ByteBuffer load_string(uint64_t address, uint32_t limit, int64_t too_long);
    uint32_t copy_string(uint64_t address, uint32_t limit, int64_t too_long);
    void fill(uint32_t offset, ByteBuffer bytes);
    void send_back(const OutRange& range);
    void write_back(const CopyBack& back);
    // Both, for bytes that go back to where they came from.
    void bring_back(uint32_t offset, uint64_t address, uint64_t size, OutWhen when = OutWhen::IfOk);

    // The arguments. An argument that nobody sets is 0.
    void set_arg(unsigned i, uint64_t value) {
        out_.call.args[i] = value;
        decided_[i] = true;
    }
    void pass(unsigned i) { set_arg(i, args_[i]); }
    void point_arg(unsigned i, uint32_t target);
    void point_at(uint32_t where, uint32_t target);
    // Argument `i` as a descriptor says: the row's own, or one that a special marshaller makes up.
    void move(unsigned i, const Arg& as);
    void move(unsigned i) { move(i, row_.args[i]); }
    // Whether argument `i` has its value, be it on the way of another one.
    bool decided(unsigned i) const { return decided_[i]; }
    // Where argument `i` was laid, if it was.
    std::optional<uint32_t> placed(unsigned i) const { return placed_[i]; }

    size_t relocs() const { return out_.call.relocs.size(); }
    uint64_t arena_used() const { return out_.call.arena_size; }
    Flattening finish() &&;

  private:
    struct Extent {
        uint64_t size = 0;
        bool absurd = false;  // negative: whatever the kernel says to that, no bytes are moved
    };
    Extent extent_of(const Len& len);
    void move_socklen(unsigned i, const Arg& as);
    void move_string(unsigned i, uint32_t limit, int64_t too_long);
    void move_in(unsigned i, const Arg& as);
    void move_out(unsigned i, const Arg& as);
    void move_inout(unsigned i, const Arg& as);
    void move_address_out(unsigned i, const Arg& as);
    bool is_there(unsigned i, Extent& extent, Direction direction);
    void move_partial_in(unsigned i, const Arg& as, Extent extent);
    void place(unsigned i, uint32_t offset);
    OutRange range_of(const Arg& as, uint32_t offset, uint64_t size);
    void send_along(uint32_t offset, uint64_t address, uint64_t size);

    const Row& row_;
    std::array<uint64_t, 6> args_;
    const GuestMemory& memory_;
    Flattened out_;
    std::array<bool, 6> decided_{};
    std::array<std::optional<uint32_t>, 6> placed_{};
    std::optional<Flattening> settled_;
};

}  // namespace pmi

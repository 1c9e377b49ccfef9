#include "interpose/marshal/gather.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "interpose/marshal/vector.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

constexpr uint32_t kPathMax = 4096;
constexpr uint32_t kStringMax = 64u << 10;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kEachPage = 16;                             // so many pages of a range are looked at one by one, then ever fewer
constexpr uint64_t kTopAddress = (uint64_t{1} << 47) - kPage;  // TASK_SIZE_MAX
constexpr uint64_t kBlock = 512;                               // what O_DIRECT may ask for is from here up

// As aligned as the program's own buffer, up to a page: O_DIRECT, and whatever else a driver asks for, sees
// no difference.
uint64_t alignment_like(uint64_t address, uint64_t size) {
    if (address == 0 || size < kBlock) return 16;
    uint64_t low_bit = address & (~address + 1);
    return std::clamp<uint64_t>(low_bit, 16, kPage);
}

}  // namespace

Gather::Gather(const Row& row, const std::array<uint64_t, 6>& args, const GuestMemory& memory)
    : row_(row), args_(args), memory_(memory) {
    out_.call.nr = row.nr;
}

void Gather::refuse(int64_t error) {
    if (!settled()) settled_ = Refused{error};
}
void Gather::go_home(std::string_view why) {
    if (!settled()) settled_ = GoHome{why};
}
void Gather::run_locally() {
    if (!settled()) settled_ = RunLocally{};
}

bool Gather::readable(uint64_t address) const { return memory_.count_readable({&address, 1}) == 1; }

uint64_t Gather::readable_prefix(uint64_t address, uint64_t size) const {
    if (size == 0 || address + size - 1 < address) return 0;
    uint64_t last = (address + size - 1) / kPage;
    std::array<uint64_t, 2 * kEachPage + 64> looked_at;  // an address in each page
    size_t count = 0;
    looked_at[count++] = address;
    for (uint64_t page = address / kPage, step = 1; page < last; step = step < kEachPage ? 1 + step : 2 * step) {
        page = std::min(last, step <= kEachPage ? page + 1 : page + step);
        looked_at[count++] = page * kPage;
    }
    size_t readable_ones = memory_.count_readable(std::span(looked_at).first(count));
    if (readable_ones == count) return size;
    if (readable_ones == 0) return 0;
    uint64_t good = looked_at[readable_ones - 1] / kPage, bad = looked_at[readable_ones] / kPage;
    while (bad - good > 1) {
        uint64_t middle = good + (bad - good) / 2;
        (readable(middle * kPage) ? good : bad) = middle;
    }
    return bad * kPage - address;
}

uint32_t Gather::reserve(uint64_t size, uint64_t aligned_like) {
    if (settled()) return 0;
    uint64_t align = alignment_like(aligned_like, size);
    uint64_t offset = (out_.call.arena_size + align - 1) / align * align;
    if (size > kMaxArena || offset + size > kMaxArena) {
        go_home("its arguments are too large to be forwarded");
        return 0;
    }
    out_.call.arena_size = static_cast<uint32_t>(offset + size);
    return static_cast<uint32_t>(offset);
}

uint32_t Gather::copy_in(uint64_t address, uint64_t size) {
    uint32_t offset = reserve(size, address);
    // Not even memory of our own for a large size that the program merely claims.
    if (size > kStringMax && readable_prefix(address, size) != size) refuse(-EFAULT);
    if (settled()) return 0;
    ByteBuffer bytes(size);
    if (memory_.read(address, bytes) != size) refuse(-EFAULT);
    fill(offset, std::move(bytes));
    return offset;
}

uint32_t Gather::put_in(std::span<const std::byte> bytes) {
    uint32_t offset = reserve(bytes.size());
    if (!settled()) fill(offset, ByteBuffer(bytes));
    return offset;
}

ByteBuffer Gather::load_string(uint64_t address, uint32_t limit, int64_t too_long) {
    ByteBuffer text;
    while (!settled() && text.size() < limit) {
        // Mostly short, so not the whole limit at once.
        size_t before = text.size();
        size_t piece = std::min<size_t>(limit - before, std::max<size_t>(256, 3 * before));
        text.resize(before + piece);
        size_t got = memory_.read(address + before, std::span(text).subspan(before));
        auto begin = text.begin() + before, end = begin + got;
        auto nul = std::find(begin, end, std::byte{0});
        if (nul != end) {
            text.resize(static_cast<size_t>(nul + 1 - text.begin()));
            return text;
        }
        if (got < piece) refuse(-EFAULT);
    }
    if (settled()) return {};
    if (too_long != 0)
        refuse(too_long);
    else
        text[text.size() - 1] = std::byte{0};
    return text;
}

uint32_t Gather::copy_string(uint64_t address, uint32_t limit, int64_t too_long) {
    ByteBuffer text = load_string(address, limit, too_long);
    return put_in(text);
}

void Gather::fill(uint32_t offset, ByteBuffer bytes) {
    if (!settled() && !bytes.empty()) out_.call.put_in(offset, std::move(bytes));
}
void Gather::send_back(const OutRange& range) {
    if (!settled() && range.size > 0) out_.call.out.push_back(range);
}
void Gather::write_back(const CopyBack& back) {
    if (!settled() && back.size > 0) out_.back.push_back(back);
}
void Gather::bring_back(uint32_t offset, uint64_t address, uint64_t size, OutWhen when) {
    send_back({offset, static_cast<uint32_t>(size), when, 1, 0});
    write_back({offset, address, static_cast<uint32_t>(size)});
}

void Gather::point_arg(unsigned i, uint32_t target) {
    if (!settled()) out_.call.relocs.push_back({i, target});
}
void Gather::point_at(uint32_t where, uint32_t target) {
    if (!settled()) out_.call.relocs.push_back({where + 6, target});
}
void Gather::place(unsigned i, uint32_t offset) {
    placed_[i] = offset;
    decided_[i] = true;
    point_arg(i, offset);
}

Gather::Extent Gather::extent_of(const Len& len) {
    uint64_t size = len.size;
    switch (len.rule) {
        case Len::Rule::None: return {};
        case Len::Rule::Const: return {size};
        case Len::Rule::PointedU32:
            if (args_[len.arg] == 0) return {};
            size = load<uint32_t>(args_[len.arg]);
            return {size, static_cast<int32_t>(size) < 0};
        case Len::Rule::Arg: size = 1; break;
        case Len::Rule::ArgTimes: break;
    }
    uint64_t count = len.narrow ? static_cast<uint64_t>(int64_t{int_arg(len.arg)}) : args_[len.arg];
    if (static_cast<int64_t>(count) < 0) return {0, true};
    uint64_t product = 0;
    if (__builtin_mul_overflow(count, size, &product)) product = UINT64_MAX;
    return {product};
}

// The buffer of a transfer; false where nothing is there.
bool Gather::is_there(unsigned i, Extent& extent, Direction direction) {
    uint64_t end = 0;
    if (__builtin_add_overflow(args_[i], extent.size, &end) || end > kTopAddress) return false;
    // Less may come in any case, but no file cuts what it has.
    if (extent.size > kMaxTransfer) go_home("a transfer that is too large to be forwarded");
    extent.size = std::min(extent.size, kMaxTransfer);
    uint64_t good = readable_prefix(args_[i], extent.size);
    // What is done with the part that is there depends on what it goes to.
    if (good > 0 && good < extent.size) go_home("a buffer of which a part is not there");
    if (direction == Direction::Out) check_writable(args_[i], good);
    return good > 0;
}

void Gather::check_writable(uint64_t address, uint64_t size) {
    if (size > 0 && memory_.is_read_only(address, size)) go_home("a buffer that can't be written");
}

OutRange Gather::range_of(const Arg& as, uint32_t offset, uint64_t size) {
    OutRange range{offset, static_cast<uint32_t>(size), as.when, as.result_unit, 0};
    if (as.len.rule == Len::Rule::PointedU32) {
        unsigned counter = as.len.arg;
        if (!placed_[counter]) move(counter);
        if (!placed_[counter]) return range;  // settled meanwhile
        range.when = OutWhen::Counted;
        range.count_at = *placed_[counter];
    }
    return range;
}

// What stands in an out buffer that the kernel may fill in part.
void Gather::send_along(uint32_t offset, uint64_t address, uint64_t size) {
    if (settled()) return;
    ByteBuffer bytes(size);
    bytes.resize(memory_.read(address, bytes));
    fill(offset, std::move(bytes));
}

void Gather::move_string(unsigned i, uint32_t limit, int64_t too_long) {
    if (args_[i] != 0) place(i, copy_string(args_[i], limit, too_long));
}

void Gather::move_partial_in(unsigned i, const Arg& as, Extent extent) {
    if (!is_there(i, extent, Direction::In)) return refuse(-EFAULT);
    if (settled()) return;
    ByteBuffer bytes(extent.size);
    bytes.resize(memory_.read(args_[i], bytes));
    uint32_t offset = reserve(bytes.size(), args_[i]);
    place(i, offset);
    set_arg(as.len.arg, bytes.size());
    fill(offset, std::move(bytes));
}

void Gather::move_in(unsigned i, const Arg& as) {
    Extent extent = extent_of(as.len);
    if (args_[i] == 0) return;
    if (extent.absurd) return set_arg(i, kBadAddress);
    if (as.partial && extent.size > 0) return move_partial_in(i, as, extent);
    place(i, copy_in(args_[i], extent.size));
}

void Gather::move_out(unsigned i, const Arg& as) {
    Extent extent = extent_of(as.len);
    if (args_[i] == 0 || settled()) return;
    if (extent.absurd) return set_arg(i, kBadAddress);
    if (extent.size > 0) {
        bool has_last = !as.partial && as.len.rule == Len::Rule::Const && extent.size > 1;
        std::array<uint64_t, 2> ends{args_[i], args_[i] + extent.size - 1};
        auto looked_at = std::span(ends).first(has_last ? 2 : 1);
        bool good = as.partial ? is_there(i, extent, Direction::Out) : memory_.count_readable(looked_at) == looked_at.size();
        if (!good) return set_arg(i, kBadAddress);
        if (!as.partial) check_writable(args_[i], std::min(extent.size, kPage));
        if (settled()) return;
        if (as.partial) set_arg(as.len.arg, extent.size);
    }
    uint32_t offset = reserve(extent.size, args_[i]);
    place(i, offset);
    if (as.sparse) send_along(offset, args_[i], extent.size);
    send_back(range_of(as, offset, extent.size));
    write_back({offset, args_[i], static_cast<uint32_t>(extent.size), as.partial, as.sparse});
}

void Gather::move_inout(unsigned i, const Arg& as) {
    Extent extent = extent_of(as.len);
    if (args_[i] == 0 || placed_[i]) return;
    if (extent.absurd) return set_arg(i, kBadAddress);
    uint32_t offset = copy_in(args_[i], extent.size);
    place(i, offset);
    send_back(range_of(as, offset, extent.size));
    // Changes only: it may be in memory that is for reading. What is left of a timeout the kernel writes if it can.
    bool is_timeout =
        i == row_.timeout_arg && (row_.timeout == Timeout::TimespecWritten || row_.timeout == Timeout::TimevalWritten);
    write_back({offset, args_[i], static_cast<uint32_t>(extent.size), false, true, INT64_MIN, is_timeout});
}

// These take no notice of it if there is no room for the address; others read it first.
void Gather::move_socklen(unsigned i, const Arg& as) {
    bool may_have_no_address = row_.name == "accept" || row_.name == "accept4" || row_.name == "recvfrom";
    for (unsigned address = 0; may_have_no_address && address < row_.args.size(); address++)
        if (row_.args[address].kind == ArgKind::SockAddrOut && row_.args[address].len.arg == i && args_[address] == 0)
            return set_arg(i, 0);
    move_inout(i, as);
}

void Gather::move_address_out(unsigned i, const Arg& as) {
    Extent extent = extent_of(as.len);
    if (args_[i] == 0 || settled()) return;
    if (extent.absurd || (extent.size > 0 && !readable(args_[i]))) return set_arg(i, kBadAddress);
    // The kernel knows no longer address, whatever room the program says there is.
    uint64_t size = std::min<uint64_t>(extent.size, size::kSockaddrMax);
    uint32_t offset = reserve(size);
    place(i, offset);
    if (size == 0) return;
    send_back(range_of(as, offset, size));
    write_back({offset, args_[i], static_cast<uint32_t>(size)});
}

void Gather::move(unsigned i, const Arg& as) {
    if (settled()) return;
    switch (as.kind) {
        case ArgKind::None:
        case ArgKind::Guest:    // no address of the guest ever reaches the deputy
        case ArgKind::Special:  // by its own marshaller
            return;
        case ArgKind::Value:
        case ArgKind::Fd: return pass(i);
        case ArgKind::Path: return move_string(i, kPathMax, -ENAMETOOLONG);
        case ArgKind::String: return move_string(i, kStringMax, 0);
        case ArgKind::In: return move_in(i, as);
        case ArgKind::Out: return move_out(i, as);
        case ArgKind::SockLen: return move_socklen(i, as);
        case ArgKind::InOut: return move_inout(i, as);
        case ArgKind::SockAddrOut: return move_address_out(i, as);
        case ArgKind::InVec: return move_vector(*this, i, as, Direction::In);
        case ArgKind::OutVec: return move_vector(*this, i, as, Direction::Out);
    }
}

Flattening Gather::finish() && {
    const Call& call = out_.call;
    if (!settled() && (call.relocs.size() > kMaxRelocs || call.out.size() > kMaxRanges || call.in.size() > kMaxRanges))
        go_home("its arguments are too many to be forwarded");
    if (settled()) return std::move(*settled_);
    return std::move(out_);
}

}  // namespace pmi

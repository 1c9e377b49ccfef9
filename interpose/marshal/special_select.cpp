// select, pselect6 and the epoll calls.
#include <sys/epoll.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <vector>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

constexpr int kMostFds = 1 << 20;                                           // fs.nr_open
constexpr size_t kFdSet = 128;                                              // sizeof(fd_set)
constexpr int kMostEvents = INT_MAX / static_cast<int>(size::kEpollEvent);  // EP_MAX_EVENTS
constexpr int kEventsAtOnce = 1 << 16;                                      // fewer than asked for is legal

// The kernel rounds up to whole longs.
size_t bytes_for(int count) { return (static_cast<size_t>(count) + 63) / 64 * 8; }

// One set of the program. The kernel looks only at as many bits as its fd table has, so that the end of a set
// may lie in memory that isn't there: programs do call select() with the limit on open files and an ordinary
// fd_set.
ByteBuffer load_set(Gather& gather, uint64_t address, int count) {
    ByteBuffer set(bytes_for(count), std::byte{0});
    size_t got = gather.read_guest(address, set);
    if (got < std::min(set.size(), kFdSet)) gather.refuse(-EFAULT);
    return set;
}

// One more than the highest fd in the set.
int fds_in(const ByteBuffer& set) {
    for (size_t i = set.size(); i-- > 0;)
        if (set[i] != std::byte{0}) return static_cast<int>(i * 8) + std::bit_width(std::to_integer<unsigned>(set[i]));
    return 0;
}

// The sets, cut after the highest fd that any of them names: what is beyond is empty before and after the
// call.
void move_sets(Gather& gather) {
    int count = gather.int_arg(0);
    gather.pass(0);
    if (count < 0) return;  // EINVAL
    if (count > kMostFds) return gather.go_home("select on more than a million file descriptors");
    ByteBuffer sets[3];
    int needed = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (gather.arg(i + 1) == 0) continue;
        sets[i] = load_set(gather, gather.arg(i + 1), count);
        needed = std::max(needed, fds_in(sets[i]));
    }
    needed = std::min(needed, count);
    gather.set_arg(0, static_cast<uint64_t>(needed));
    for (unsigned i = 0; i < 3; i++) {
        if (sets[i].empty()) continue;
        sets[i].resize(bytes_for(needed));
        auto size = static_cast<uint32_t>(sets[i].size());
        uint32_t offset = gather.put_in(sets[i]);
        gather.point_arg(i + 1, offset);
        gather.send_back({offset, size, OutWhen::IfOk, 1, 0});
        // Changes only: what looks like the rest of a set may be something else.
        gather.write_back({offset, gather.arg(i + 1), size, false, true});
    }
}

// pselect6's last argument: a mask and its size behind one more pointer.
void move_mask(Gather& gather) {
    struct Packed {
        uint64_t mask;
        uint64_t size;
    };
    if (gather.arg(5) == 0) return;
    auto packed = gather.load<Packed>(gather.arg(5));
    Packed blank{0, packed.size};
    uint32_t at = gather.put_in(std::as_bytes(std::span(&blank, 1)));
    gather.point_arg(5, at);
    if (packed.mask != 0) gather.point_at(at, gather.copy_in(packed.mask, size::kSigset));
}

}  // namespace

void marshal_select(Gather& gather) {
    move_sets(gather);
    gather.move(4, rows::always(rows::inout("tvp", rows::bytes(size::kTimeval))));
}

void marshal_pselect6(Gather& gather) {
    move_sets(gather);
    gather.move(4, rows::always(rows::inout("tsp", rows::bytes(size::kTimespec))));
    move_mask(gather);
}

void marshal_epoll_wait(Gather& gather) {
    int count = gather.int_arg(2);
    bool valid = count > 0 && count <= kMostEvents;
    if (!valid || !gather.readable(gather.arg(1))) return gather.set_arg(1, kBadAddress);
    count = std::min(count, kEventsAtOnce);
    gather.set_arg(2, static_cast<uint64_t>(count));
    auto size = static_cast<uint32_t>(count) * size::kEpollEvent;
    uint32_t offset = gather.reserve(size);
    gather.point_arg(1, offset);
    gather.send_back({offset, size, OutWhen::Result, size::kEpollEvent, 0});
    gather.write_back({offset, gather.arg(1), size});
}

void marshal_epoll_ctl(Gather& gather) {
    if (gather.int_arg(1) != EPOLL_CTL_DEL) gather.move(3, rows::in("event", rows::bytes(size::kEpollEvent)));
}

}  // namespace pmi

// setsockopt and getsockopt: bytes by their length, except for options that hold addresses.
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

// Not in the user-land headers, or only in ones that don't go together.
constexpr int kSolTcp = 6;
constexpr int kTcpZerocopyReceive = 35;
constexpr int kSolSctp = 132;
constexpr int kSctpConnectx3 = 111;
constexpr int kSolPacket = 263;
constexpr int kPacketFanoutData = 22;
constexpr int kSolRds = 276;
constexpr int kSolXdp = 283;
constexpr int kMostInstructions = 4096;  // BPF_MAXINSNS

// The tables of iptables, arptables, ebtables: a rule set holds the address of its counters.
bool is_table_option(int level, int option) {
    bool table = (option >= 64 && option < 68) || (option >= 96 && option < 100) || (option >= 128 && option < 132);
    return (level == IPPROTO_IP || level == IPPROTO_IPV6) && table;
}

bool holds_addresses_in(int level, int option) {
    return level == kSolRds || level == kSolXdp || is_table_option(level, option) ||
           (level == kSolPacket && option == kPacketFanoutData) || (level == kSolSctp && option == kSctpConnectx3);
}
bool holds_addresses_out(int level, int option) {
    return level == kSolRds || level == kSolXdp || (level == kSolTcp && option == kTcpZerocopyReceive) ||
           (level == kSolSctp && option == kSctpConnectx3);
}

bool is_filter(int level, int option) {
    return level == SOL_SOCKET && (option == SO_ATTACH_FILTER || option == SO_ATTACH_REUSEPORT_CBPF);
}

// struct sock_fprog: a count, and the address of as many instructions.
void move_filter(Gather& gather) {
    if (gather.int_arg(4) != static_cast<int>(sizeof(sock_fprog)))  // EINVAL
        return gather.move(3, rows::in("optval", rows::int_length(4)));
    auto program = gather.load<sock_fprog>(gather.arg(3));
    sock_fprog blank{program.len, nullptr};
    uint32_t at = gather.put_in(std::as_bytes(std::span(&blank, 1)));
    gather.point_arg(3, at);
    uint64_t address = reinterpret_cast<uint64_t>(program.filter);
    if (address == 0 || program.len == 0 || program.len > kMostInstructions) return;  // EINVAL
    uint32_t filter = gather.copy_in(address, uint64_t{program.len} * sizeof(sock_filter));
    gather.point_at(at + offsetof(sock_fprog, filter), filter);
}

// SO_GET_FILTER: its length counts instructions.
void move_filter_out(Gather& gather, uint32_t length_at) {
    auto count = gather.load<uint32_t>(gather.arg(4));
    if (count > kMostInstructions) return gather.set_arg(3, kBadAddress);
    uint32_t size = count * static_cast<uint32_t>(sizeof(sock_filter));
    uint32_t offset = gather.reserve(size);
    gather.point_arg(3, offset);
    gather.send_back({offset, size, OutWhen::Counted, sizeof(sock_filter), length_at});
    gather.write_back({offset, gather.arg(3), size});
}

}  // namespace

void marshal_setsockopt(Gather& gather) {
    int level = gather.int_arg(1), option = gather.int_arg(2);
    if (is_filter(level, option)) return move_filter(gather);
    if (holds_addresses_in(level, option)) return gather.go_home("a socket option that holds addresses of memory");
    gather.move(3, rows::in("optval", rows::int_length(4)));
}

void marshal_getsockopt(Gather& gather) {
    int level = gather.int_arg(1), option = gather.int_arg(2);
    if (holds_addresses_out(level, option)) return gather.go_home("a socket option that holds addresses of memory");
    // Written with what would be needed, too, when it gives ERANGE.
    gather.move(4, rows::always(rows::inout("optlen", rows::bytes(4))));
    if (!gather.placed(4) || gather.arg(3) == 0) return;
    if (level == SOL_SOCKET && option == SO_GET_FILTER) return move_filter_out(gather, *gather.placed(4));
    gather.move(3, rows::sparse(rows::out("optval", rows::pointed(4))));
}

}  // namespace pmi

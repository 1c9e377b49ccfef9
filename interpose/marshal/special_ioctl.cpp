// ioctl. A request that the table knows is moved as the table says. Any other is moved by the direction and
// the size in its number, unless something in it could be an address: what drivers define is not known here,
// and an address of the guest must never reach the deputy's kernel. Whatever is doubtful takes the program
// home.
#include <asm/ioctl.h>
#include <net/if.h>

#include <algorithm>
#include <vector>

#include "interpose/marshal/ioctl_table.h"
#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

using rows::bytes;

constexpr uint64_t kHighestAddress = uint64_t{1} << 47;
constexpr uint32_t kMostInterfaces = 1u << 20;  // bytes of struct ifreq[]
constexpr std::string_view kUnknown = "an ioctl request that pmi can't be sure of";

// SIOCGIFCONF: a length and the address of a buffer; without an address, only the length comes back.
void move_interface_list(Gather& gather) {
    auto list = gather.load<ifconf>(gather.arg(2));
    uint64_t address = reinterpret_cast<uint64_t>(list.ifc_buf);
    ifconf blank = list;
    blank.ifc_buf = nullptr;
    if (address != 0 && list.ifc_len > 0) blank.ifc_len = std::min(list.ifc_len, static_cast<int>(kMostInterfaces));
    uint32_t at = gather.put_in(std::as_bytes(std::span(&blank, 1)));
    gather.point_arg(2, at);
    gather.bring_back(at, gather.arg(2), sizeof blank.ifc_len);
    if (address == 0 || list.ifc_len <= 0) return;
    uint32_t buffer = gather.reserve(static_cast<uint32_t>(blank.ifc_len));
    gather.point_at(at + offsetof(ifconf, ifc_buf), buffer);
    gather.send_back({buffer, static_cast<uint32_t>(blank.ifc_len), OutWhen::Counted, 1, at});
    gather.write_back({buffer, address, static_cast<uint32_t>(blank.ifc_len)});
}

void move_known(Gather& gather, const KnownIoctl& known) {
    switch (known.arg) {
        case IoctlArg::Value: return gather.pass(2);
        case IoctlArg::In: return gather.move(2, rows::in("arg", bytes(known.size)));
        case IoctlArg::Out: return gather.move(2, rows::out("arg", bytes(known.size)));
        case IoctlArg::InOut: return gather.move(2, rows::inout("arg", bytes(known.size)));
        case IoctlArg::String: return gather.move(2, rows::string("arg"));
        case IoctlArg::InterfaceList: return move_interface_list(gather);
        case IoctlArg::GoHome: return gather.go_home("an ioctl request that holds addresses of memory");
    }
}

// Whether any eight bytes of the argument, wherever they start, are an address that the program could mean.
bool could_hold_address(const Gather& gather, std::span<const std::byte> bytes) {
    for (size_t at = 0; at + 8 <= bytes.size(); at += 4) {
        auto word = load_as<uint64_t>(bytes.data() + at);
        if (word >= kLowestAddress && word < kHighestAddress && gather.readable(word)) return true;
    }
    return false;
}

void move_by_number(Gather& gather, uint32_t request) {
    uint32_t size = _IOC_SIZE(request);
    std::vector<std::byte> argument(size);
    if (gather.read_guest(gather.arg(2), argument) != size)  // perhaps a number after all
        return gather.go_home(kUnknown);
    bool reads = (_IOC_DIR(request) & _IOC_WRITE) != 0;
    if (reads && could_hold_address(gather, argument)) return gather.go_home(kUnknown);
    // Drivers write less than their numbers say, so that what stands there goes along in any case.
    bool writes = (_IOC_DIR(request) & _IOC_READ) != 0;
    if (reads && !writes) return gather.move(2, rows::in("arg", bytes(size)));
    if (reads) return gather.move(2, rows::inout("arg", bytes(size)));
    gather.move(2, rows::sparse(rows::out("arg", bytes(size))));
}

}  // namespace

void marshal_ioctl(Gather& gather) {
    auto request = static_cast<uint32_t>(gather.arg(1));
    if (const KnownIoctl* known = find_ioctl(request)) return move_known(gather, *known);
    // A number or null: no address on either side.
    if (gather.arg(2) < kLowestAddress) return gather.pass(2);
    if (_IOC_SIZE(request) == 0 || _IOC_DIR(request) == _IOC_NONE || family_holds_addresses(_IOC_TYPE(request)))
        return gather.go_home(kUnknown);
    move_by_number(gather, request);
}

}  // namespace pmi

// File handles, extended attributes behind a struct, and sysfs(2).
#include <fcntl.h>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

constexpr uint32_t kMaxHandle = 128;   // MAX_HANDLE_SZ
constexpr int kMountIdUnique = 0x001;  // AT_HANDLE_MNT_ID_UNIQUE: the mount's number has 64 bits

struct XattrArgs {
    uint64_t value;
    uint32_t size;
    uint32_t flags;
};
static_assert(sizeof(XattrArgs) == size::kXattrArgs);

// Bytes that a handle whose struct stands at `address` says it holds; larger ones give EINVAL.
uint32_t handle_size(Gather& gather, uint64_t address) {
    auto size = gather.load<uint32_t>(address);
    return size > kMaxHandle ? 0 : size;
}

// The struct as argument 4, without its address; null where the kernel will refuse the size anyway.
std::optional<XattrArgs> load_xattr_args(Gather& gather, uint32_t& at) {
    if (gather.arg(4) == 0 || gather.arg(5) != sizeof(XattrArgs)) {
        if (gather.arg(5) > sizeof(XattrArgs)) gather.go_home("struct xattr_args that is newer than pmi");
        if (gather.arg(4) != 0) gather.set_arg(4, kBadAddress);
        return std::nullopt;
    }
    auto args = gather.load<XattrArgs>(gather.arg(4));
    XattrArgs blank{0, args.size, args.flags};
    at = gather.put_in(std::as_bytes(std::span(&blank, 1)));
    gather.point_arg(4, at);
    if (gather.settled()) return std::nullopt;
    return args;
}

}  // namespace

// The kernel writes the struct's size when it was too small (EOVERFLOW), else all of it.
void marshal_name_to_handle_at(Gather& gather) {
    uint64_t address = gather.arg(2);
    if (address == 0) return;
    uint32_t size = size::kFileHandle + handle_size(gather, address);
    uint32_t at = gather.copy_in(address, size);
    gather.point_arg(2, at);
    gather.bring_back(at, address, size, OutWhen::Always);
    bool wide = (gather.int_arg(4) & kMountIdUnique) != 0;
    gather.move(3, rows::always(rows::sparse(rows::out("mnt_id", rows::bytes(wide ? 8 : 4)))));
}

void marshal_open_by_handle_at(Gather& gather) {
    uint64_t address = gather.arg(1);
    if (address == 0) return;
    gather.point_arg(1, gather.copy_in(address, size::kFileHandle + handle_size(gather, address)));
}

void marshal_setxattrat(Gather& gather) {
    uint32_t at = 0;
    auto args = load_xattr_args(gather, at);
    if (args && args->value != 0) gather.point_at(at, gather.copy_in(args->value, args->size));
}

void marshal_getxattrat(Gather& gather) {
    uint32_t at = 0;
    auto args = load_xattr_args(gather, at);
    if (!args || args->value == 0) return;
    uint32_t value = gather.reserve(args->size);
    gather.point_at(at, value);
    gather.bring_back(value, args->value, args->size, OutWhen::Result);
}

void marshal_sysfs(Gather& gather) {
    switch (gather.int_arg(0)) {
        case 1: return gather.move(1, rows::path("fsname"));
        case 2: return gather.go_home("sysfs(2, ...) fills a buffer whose size nobody says");
        default: return;  // 3 has no arguments, the rest is EINVAL
    }
}

}  // namespace pmi

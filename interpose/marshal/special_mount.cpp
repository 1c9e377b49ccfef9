// mount's last argument, fsconfig by command, quotactl by command, reboot's string.
#include <linux/quota.h>
#include <linux/reboot.h>
#include <sys/mount.h>

#include <algorithm>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

using rows::bytes;

constexpr uint64_t kPage = 4096;
// enum fsconfig_command, which <linux/mount.h> and <sys/mount.h> may not both define.
constexpr int kSetString = 1;
constexpr int kSetBinary = 2;
constexpr int kSetPath = 3;
constexpr int kSetPathEmpty = 4;

void move_quota(Gather& gather, uint32_t command) {
    switch (command >> SUBCMDSHIFT) {
        case Q_SYNC:
        case Q_QUOTAOFF: return;
        case Q_QUOTAON: return gather.move(3, rows::path("addr"));
        case Q_GETFMT: return gather.move(3, rows::out("addr", bytes(4)));
        case Q_GETINFO: return gather.move(3, rows::out("addr", bytes(size::kDqinfo)));
        case Q_SETINFO: return gather.move(3, rows::in("addr", bytes(size::kDqinfo)));
        case Q_GETQUOTA: return gather.move(3, rows::out("addr", bytes(size::kDqblk)));
        case Q_SETQUOTA: return gather.move(3, rows::in("addr", bytes(size::kDqblk)));
        case Q_GETNEXTQUOTA: return gather.move(3, rows::out("addr", bytes(size::kNextDqblk)));
        default: return gather.go_home("a quota command whose argument pmi does not move");
    }
}

}  // namespace

// The kernel copies one page of whatever this is, or as much of it as can be read.
void marshal_mount(Gather& gather) {
    if (gather.arg(4) == 0) return;
    uint64_t size = gather.readable_prefix(gather.arg(4), kPage);
    if (size == 0) return gather.refuse(-EFAULT);
    // A whole page of the arena: what follows must not look like options.
    uint32_t at = gather.reserve(kPage, kPage);
    ByteBuffer options(size);
    options.resize(gather.read_guest(gather.arg(4), options));
    gather.fill(at, std::move(options));
    gather.point_arg(4, at);
}

void marshal_fsconfig(Gather& gather) {
    switch (gather.int_arg(1)) {
        case kSetString: return gather.move(3, rows::string("_value"));
        case kSetBinary: return gather.move(3, rows::in("_value", rows::int_length(4)));
        case kSetPath:
        case kSetPathEmpty: return gather.move(3, rows::path("_value"));
        default: break;  // no value; EINVAL where there is one
    }
    if (gather.arg(3) != 0) gather.set_arg(3, kBadAddress);
}

void marshal_quotactl(Gather& gather) { move_quota(gather, static_cast<uint32_t>(gather.arg(0))); }
void marshal_quotactl_fd(Gather& gather) { move_quota(gather, static_cast<uint32_t>(gather.arg(1))); }

void marshal_reboot(Gather& gather) {
    if (static_cast<uint32_t>(gather.arg(2)) == LINUX_REBOOT_CMD_RESTART2) gather.move(3, rows::string("arg"));
}

}  // namespace pmi

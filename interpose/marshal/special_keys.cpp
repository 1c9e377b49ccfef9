// keyctl, by operation.
#include <linux/keyctl.h>

#include <initializer_list>

#include "interpose/marshal/special.h"
#include "interpose/marshal/vector.h"
#include "interpose/syscall/build.h"

namespace pmi {
namespace {

using rows::in;
using rows::length;
using rows::out;
using rows::string;
using rows::value;

constexpr int kMove = 30;          // KEYCTL_MOVE
constexpr int kCapabilities = 31;  // KEYCTL_CAPABILITIES
constexpr int kWatchKey = 32;      // KEYCTL_WATCH_KEY

void move_all(Gather& gather, std::initializer_list<Arg> descriptors) {
    unsigned i = 1;
    for (const Arg& as : descriptors) gather.move(i++, as);
}

// Gives the whole length, and copies only what fits completely.
Arg all_or_nothing(uint8_t length_arg) { return rows::sparse(rows::by_result(out("buffer", length(length_arg)))); }

void instantiate_from_vector(Gather& gather) {
    gather.pass(1);
    gather.pass(3);
    gather.pass(4);
    gather.move(2, rows::in_vec("iov", 3));
}

}  // namespace

void marshal_keyctl(Gather& gather) {
    switch (gather.int_arg(0)) {
        case KEYCTL_GET_KEYRING_ID:
        case KEYCTL_REVOKE:
        case KEYCTL_CHOWN:
        case KEYCTL_SETPERM:
        case KEYCTL_CLEAR:
        case KEYCTL_LINK:
        case KEYCTL_UNLINK:
        case KEYCTL_NEGATE:
        case KEYCTL_SET_REQKEY_KEYRING:
        case KEYCTL_SET_TIMEOUT:
        case KEYCTL_ASSUME_AUTHORITY:
        case KEYCTL_SESSION_TO_PARENT:
        case KEYCTL_REJECT:
        case KEYCTL_INVALIDATE:
        case KEYCTL_GET_PERSISTENT:
        case kMove:
        case kWatchKey: return move_all(gather, {value("a"), value("b"), value("c"), value("d")});
        case KEYCTL_JOIN_SESSION_KEYRING: return gather.move(1, string("name"));
        case KEYCTL_UPDATE: return move_all(gather, {value("key"), in("payload", length(3)), value("size")});
        case KEYCTL_DESCRIBE:
        case KEYCTL_READ:
        case KEYCTL_GET_SECURITY: return move_all(gather, {value("key"), all_or_nothing(3), value("size")});
        case KEYCTL_SEARCH: return move_all(gather, {value("keyring"), string("type"), string("description"), value("to")});
        case KEYCTL_INSTANTIATE: return move_all(gather, {value("key"), in("payload", length(3)), value("size"), value("keyring")});
        case KEYCTL_INSTANTIATE_IOV: return instantiate_from_vector(gather);
        case KEYCTL_RESTRICT_KEYRING: return move_all(gather, {value("keyring"), string("type"), string("restriction")});
        case kCapabilities: return move_all(gather, {all_or_nothing(2), value("size")});
        default: return gather.go_home("a keyctl operation whose arguments pmi does not move");
    }
}

}  // namespace pmi

// fcntl, by command.
#include <fcntl.h>

#include <iterator>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

// Newer than the oldest user-land headers that pmi builds with.
constexpr int kDupfdQuery = 1027;
constexpr int kCreatedQuery = 1028;
constexpr int kCancelLock = 1029;

struct Command {
    int command;
    ArgKind kind;  // Value: a number, or nothing
    uint32_t size = 0;
};

constexpr Command kCommands[] = {
    {F_DUPFD, ArgKind::Value},
    {F_GETFD, ArgKind::Value},
    {F_SETFD, ArgKind::Value},
    {F_GETFL, ArgKind::Value},
    {F_SETFL, ArgKind::Value},
    {F_GETLK, ArgKind::InOut, size::kFlock},
    {F_SETLK, ArgKind::In, size::kFlock},
    {F_SETLKW, ArgKind::In, size::kFlock},
    {F_SETOWN, ArgKind::Value},
    {F_GETOWN, ArgKind::Value},
    {F_SETSIG, ArgKind::Value},
    {F_GETSIG, ArgKind::Value},
    {F_SETOWN_EX, ArgKind::In, 8},
    {F_GETOWN_EX, ArgKind::Out, 8},
    {17, ArgKind::Out, 8},  // F_GETOWNER_UIDS
    {F_OFD_GETLK, ArgKind::InOut, size::kFlock},
    {F_OFD_SETLK, ArgKind::In, size::kFlock},
    {F_OFD_SETLKW, ArgKind::In, size::kFlock},
    {F_SETLEASE, ArgKind::Value},
    {F_GETLEASE, ArgKind::Value},
    {F_NOTIFY, ArgKind::Value},
    {kDupfdQuery, ArgKind::Value},
    {kCreatedQuery, ArgKind::Value},
    {kCancelLock, ArgKind::Value},
    {F_DUPFD_CLOEXEC, ArgKind::Value},
    {F_SETPIPE_SZ, ArgKind::Value},
    {F_GETPIPE_SZ, ArgKind::Value},
    {F_ADD_SEALS, ArgKind::Value},
    {F_GET_SEALS, ArgKind::Value},
    {F_GET_RW_HINT, ArgKind::Out, 8},
    {F_SET_RW_HINT, ArgKind::In, 8},
    {F_GET_FILE_RW_HINT, ArgKind::Out, 8},
    {F_SET_FILE_RW_HINT, ArgKind::In, 8},
};

}  // namespace

void marshal_fcntl(Gather& gather) {
    for (const Command& known : kCommands)
        if (known.command == gather.int_arg(1)) return gather.move(2, rows::make(known.kind, "arg", rows::bytes(known.size)));
    if (gather.arg(2) >= kLowestAddress) return gather.go_home("an fcntl command that pmi does not know");
    gather.pass(2);
}

}  // namespace pmi

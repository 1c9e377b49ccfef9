// sendmsg, recvmsg and their plural forms: struct msghdr with everything that hangs from it. File descriptors
// in control messages are home's numbers on both sides, so they are moved as they are.
#include <sys/socket.h>

#include <algorithm>

#include "interpose/marshal/special.h"
#include "interpose/marshal/vector.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

constexpr uint32_t kZerocopy = 0x4000000;   // MSG_ZEROCOPY
constexpr uint64_t kMaxControl = 1u << 20;  // far more than the kernel fills or takes (net.core.optmem_max)
constexpr uint32_t kMaxMessages = 1024;     // as in the kernel, for sendmmsg and recvmmsg
constexpr uint32_t kNameLength = offsetof(msghdr, msg_namelen);
constexpr uint32_t kControlLength = offsetof(msghdr, msg_controllen);
constexpr uint32_t kFlags = offsetof(msghdr, msg_flags);
constexpr uint32_t kMessageLength = offsetof(mmsghdr, msg_len);

uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }
void* bad_pointer() { return reinterpret_cast<void*>(kBadAddress); }

// One header being laid out at arena offset `at`.
struct Header {
    Gather& gather;
    const msghdr& message;  // the program's
    uint32_t at;
    int64_t least_result = 0;  // for which this message was received
    msghdr blank = message;    // the deputy's, before its addresses are filled in

    void lay_name_in() {
        blank.msg_name = nullptr;
        int length = static_cast<int>(message.msg_namelen);
        if (message.msg_name == nullptr || length == 0) return;
        if (length < 0) {  // EINVAL, before the address is looked at
            blank.msg_name = bad_pointer();
            return;
        }
        uint64_t size = std::min<uint64_t>(message.msg_namelen, size::kSockaddrMax);
        gather.point_at(at + offsetof(msghdr, msg_name), gather.copy_in(address_of(message.msg_name), size));
    }

    void lay_control_in() {
        blank.msg_control = nullptr;
        if (message.msg_control == nullptr || message.msg_controllen == 0) return;
        if (message.msg_controllen > kMaxControl) {  // ENOBUFS, likewise
            blank.msg_control = bad_pointer();
            return;
        }
        uint32_t offset = gather.copy_in(address_of(message.msg_control), message.msg_controllen);
        gather.point_at(at + offsetof(msghdr, msg_control), offset);
    }

    // A buffer of which as much comes back as the field at `count_field` says afterwards.
    void lay_counted(void*& pointer, uint32_t pointer_field, uint64_t size, uint32_t count_field) {
        uint64_t address = address_of(pointer);
        pointer = nullptr;
        if (address == 0 || size == 0) return;
        if (!gather.readable(address)) {
            pointer = bad_pointer();
            return;
        }
        uint32_t offset = gather.reserve(size);
        gather.point_at(at + pointer_field, offset);
        gather.send_back({offset, static_cast<uint32_t>(size), OutWhen::Counted, 1, at + count_field});
        gather.write_back({offset, address, static_cast<uint32_t>(size), false, false, least_result});
    }

    void lay_name_out() {
        if (static_cast<int>(message.msg_namelen) < 0) {
            if (message.msg_name != nullptr) blank.msg_name = bad_pointer();
            return;
        }
        uint64_t size = std::min<uint64_t>(message.msg_namelen, size::kSockaddrMax);
        lay_counted(blank.msg_name, offsetof(msghdr, msg_name), size, kNameLength);
    }

    void lay_control_out() {
        blank.msg_controllen = std::min<uint64_t>(message.msg_controllen, kMaxControl);
        lay_counted(blank.msg_control, offsetof(msghdr, msg_control), blank.msg_controllen, kControlLength);
    }

    LaidVector lay_buffers(Direction direction) {
        blank.msg_iov = nullptr;
        if (message.msg_iovlen == 0) return {};
        if (message.msg_iovlen > kMaxVector) {  // EMSGSIZE, likewise
            blank.msg_iov = static_cast<iovec*>(bad_pointer());
            return {};
        }
        LaidVector laid = lay_vector(gather, address_of(message.msg_iov), message.msg_iovlen, direction);
        gather.point_at(at + offsetof(msghdr, msg_iov), laid.array);
        return laid;
    }

    void put() {
        auto bytes = std::as_bytes(std::span(&blank, 1));
        gather.fill(at, ByteBuffer(bytes));
    }
};

void lay_to_send(Gather& gather, const msghdr& message, uint32_t at) {
    Header header{gather, message, at};
    header.lay_name_in();
    header.lay_buffers(Direction::In);
    header.lay_control_in();
    header.put();
}

LaidVector lay_to_receive(Gather& gather, const msghdr& message, uint32_t at, int64_t least_result) {
    Header header{gather, message, at, least_result};
    header.lay_name_out();
    LaidVector laid = header.lay_buffers(Direction::Out);
    header.lay_control_out();
    header.put();
    return laid;
}

// The fields of a header that the kernel writes.
void write_fields_back(Gather& gather, uint32_t at, uint64_t address) {
    gather.write_back({at + kNameLength, address + kNameLength, 4});
    gather.write_back({at + kControlLength, address + kControlLength, 8});
    gather.write_back({at + kFlags, address + kFlags, 4});
}

bool refuses_flags(Gather& gather, unsigned flags_arg) {
    if ((gather.arg(flags_arg) & kZerocopy) == 0) return false;
    gather.go_home("MSG_ZEROCOPY: the kernel goes on reading the bytes after the call");
    return true;
}

// The program's mmsghdr[]. A shorter vector is legal, so that it is cut to what relocations are left for.
template <typename LayOne>
uint32_t lay_many(Gather& gather, LayOne lay_one) {
    uint32_t count = std::min(static_cast<uint32_t>(gather.arg(2)), kMaxMessages);
    uint32_t array = gather.reserve(uint64_t{count} * sizeof(mmsghdr));
    uint32_t n = 0;
    for (; n < count && !gather.settled(); n++) {
        uint64_t address = gather.arg(1) + n * sizeof(mmsghdr);
        auto message = gather.load<msghdr>(address);
        if (n > 0 && gather.relocs() + std::min<uint64_t>(message.msg_iovlen, kMaxVector) + 4 > kMaxRelocs) break;
        auto at = static_cast<uint32_t>(array + n * sizeof(mmsghdr));
        gather.fill(at + kMessageLength, ByteBuffer(sizeof(mmsghdr) - kMessageLength, std::byte{0}));
        lay_one(message, address, at, n);
    }
    if (count > 0) gather.point_arg(1, array);
    gather.set_arg(2, n);
    gather.send_back({array, static_cast<uint32_t>(n * sizeof(mmsghdr)), OutWhen::Result, sizeof(mmsghdr), 0});
    return n;
}

}  // namespace

void marshal_sendto(Gather& gather) {
    gather.pass(3);
    refuses_flags(gather, 3);
}

void marshal_sendmsg(Gather& gather) {
    if (refuses_flags(gather, 2)) return;
    auto message = gather.load<msghdr>(gather.arg(1));
    uint32_t at = gather.reserve(sizeof message);
    lay_to_send(gather, message, at);
    gather.point_arg(1, at);
}

void marshal_recvmsg(Gather& gather) {
    auto message = gather.load<msghdr>(gather.arg(1));
    uint32_t at = gather.reserve(sizeof message);
    LaidVector laid = lay_to_receive(gather, message, at, 0);
    gather.point_arg(1, at);
    gather.send_back({laid.area, static_cast<uint32_t>(laid.size), OutWhen::Result, 1, 0});
    gather.send_back({at, sizeof message, OutWhen::IfOk, 1, 0});
    write_fields_back(gather, at, gather.arg(1));
}

void marshal_sendmmsg(Gather& gather) {
    if (refuses_flags(gather, 3)) return;
    lay_many(gather, [&](const msghdr& message, uint64_t address, uint32_t at, uint32_t) {
        lay_to_send(gather, message, at);
        gather.write_back({at + kMessageLength, address + kMessageLength, 4});
    });
}

void marshal_recvmmsg(Gather& gather) {
    gather.move(4, rows::inout("timeout", rows::bytes(size::kTimespec)));
    lay_many(gather, [&](const msghdr& message, uint64_t address, uint32_t at, uint32_t n) {
        LaidVector laid = lay_to_receive(gather, message, at, n + 1);
        gather.send_back({laid.area, static_cast<uint32_t>(laid.size), OutWhen::Counted, 1, at + kMessageLength});
        write_fields_back(gather, at, address);
        gather.write_back({at + kMessageLength, address + kMessageLength, 4});
    });
}

}  // namespace pmi

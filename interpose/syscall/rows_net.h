// Rows: sockets.
#pragma once
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi::rows {

inline constexpr Entry kNet[] = {
    home(41, "socket", {value("family"), value("type"), value("protocol")}),
    home(42, "connect", {fd("fd"), in("uservaddr", int_length(2)), value("addrlen")})
        .sleeps(Interrupt::Eintr)
        .why("issued again while connecting, a blocking socket goes on waiting"),
    home(43, "accept", {fd("fd"), address_out("upeer_sockaddr", 2), socklen("upeer_addrlen")}).sleeps(Interrupt::Eintr),
    home(44, "sendto",
         {fd("fd"), write_buffer("buff", 2), value("len"), special("flags"), in("addr", int_length(5)), value("addr_len")})
        .sleeps(Interrupt::Eintr)
        .why("MSG_ZEROCOPY goes home: the kernel would go on reading the bytes after the call"),
    home(45, "recvfrom",
         {fd("fd"), read_buffer("ubuf", 2), value("size"), value("flags"), address_out("addr", 5), socklen("addr_len")})
        .sleeps(Interrupt::Eintr),
    home(46, "sendmsg", {fd("fd"), special("msg"), value("flags")}).sleeps(Interrupt::Eintr).why("MSG_ZEROCOPY goes home"),
    home(47, "recvmsg", {fd("fd"), special("msg"), value("flags")}).sleeps(Interrupt::Eintr),
    home(48, "shutdown", {fd("fd"), value("how")}),
    home(49, "bind", {fd("fd"), in("umyaddr", int_length(2)), value("addrlen")}),
    home(50, "listen", {fd("fd"), value("backlog")}),
    home(51, "getsockname", {fd("fd"), address_out("usockaddr", 2), socklen("usockaddr_len")}),
    home(52, "getpeername", {fd("fd"), address_out("usockaddr", 2), socklen("usockaddr_len")}),
    home(53, "socketpair", {value("family"), value("type"), value("protocol"), out("usockvec", bytes(8))}),
    home(54, "setsockopt", {fd("fd"), value("level"), value("optname"), special("optval"), value("optlen")})
        .why("options that hold addresses of memory (iptables tables, XDP, RDS, ...) go home"),
    home(55, "getsockopt", {fd("fd"), value("level"), value("optname"), special("optval"), special("optlen")})
        .why("options that hold addresses of memory (TCP_ZEROCOPY_RECEIVE, XDP, RDS, ...) go home"),
    home(288, "accept4", {fd("fd"), address_out("upeer_sockaddr", 2), socklen("upeer_addrlen"), value("flags")})
        .sleeps(Interrupt::Eintr),
    home(299, "recvmmsg", {fd("fd"), special("mmsg"), value("vlen"), value("flags"), special("timeout")})
        .sleeps(Interrupt::Eintr)
        .timeout_in(4, Timeout::TimespecWritten),
    home(307, "sendmmsg", {fd("fd"), special("mmsg"), value("vlen"), value("flags")})
        .sleeps(Interrupt::Eintr)
        .why("MSG_ZEROCOPY goes home"),
};

}  // namespace pmi::rows

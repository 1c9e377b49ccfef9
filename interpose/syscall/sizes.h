// Sizes of the kernel's structures, as the rows and the special marshallers need them. The user-land headers
// that define them can't all be included together; each is checked where that is possible, in
// sizes_check.cpp.
#pragma once
#include <cstdint>

namespace pmi::size {

constexpr uint32_t kSigset = 8;      // the kernel's sigset_t
constexpr uint32_t kSigaction = 32;  // handler, flags, restorer, mask
constexpr uint32_t kSiginfo = 128;
constexpr uint32_t kSigevent = 64;
constexpr uint32_t kTimespec = 16;
constexpr uint32_t kTimeval = 16;
constexpr uint32_t kTimezone = 8;
constexpr uint32_t kItimerval = 32;
constexpr uint32_t kItimerspec = 32;
constexpr uint32_t kTimex = 208;
constexpr uint32_t kTms = 32;
constexpr uint32_t kUtimbuf = 16;
constexpr uint32_t kRusage = 144;
constexpr uint32_t kRlimit = 16;
constexpr uint32_t kStat = 144;
constexpr uint32_t kStatx = 256;
constexpr uint32_t kStatfs = 120;
constexpr uint32_t kUstat = 32;
constexpr uint32_t kUtsname = 390;
constexpr uint32_t kSysinfo = 112;
constexpr uint32_t kPollfd = 8;
constexpr uint32_t kEpollEvent = 12;  // packed on x86-64
constexpr uint32_t kIovec = 16;
constexpr uint32_t kMsghdr = 56;
constexpr uint32_t kMmsghdr = 64;
constexpr uint32_t kSembuf = 6;
constexpr uint32_t kSemidDs = 104;
constexpr uint32_t kSeminfo = 40;
constexpr uint32_t kMsqidDs = 120;
constexpr uint32_t kMsginfo = 32;
constexpr uint32_t kShmidDs = 112;
constexpr uint32_t kShminfo = 72;
constexpr uint32_t kShmInfo = 48;
constexpr uint32_t kMqAttr = 64;
constexpr uint32_t kNotifyCookie = 32;  // NOTIFY_COOKIE_LEN of <linux/mqueue.h>
constexpr uint32_t kSchedParam = 4;
constexpr uint32_t kFlock = 32;
constexpr uint32_t kSockFprog = 16;
constexpr uint32_t kSockFilter = 8;
constexpr uint32_t kSockaddrMax = 128;  // struct __kernel_sockaddr_storage
constexpr uint32_t kIfreq = 40;
constexpr uint32_t kIfconf = 16;
constexpr uint32_t kCapHeader = 8;
constexpr uint32_t kCapData = 12;  // times two for version 3
constexpr uint32_t kCachestatRange = 16;
constexpr uint32_t kCachestat = 40;
constexpr uint32_t kXattrArgs = 16;  // u64 value, u32 size, u32 flags
constexpr uint32_t kFileHandle = 8;  // before the handle itself
constexpr uint32_t kDqblk = 72;
constexpr uint32_t kNextDqblk = 72;
constexpr uint32_t kDqinfo = 24;

}  // namespace pmi::size

// Numbers are written out where the headers that define them can't be included together or are newer than the
// oldest that pmi builds with.
#include "interpose/marshal/ioctl_table.h"

#include <asm/ioctls.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <linux/sockios.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace pmi {
namespace {

constexpr uint32_t kTermios = 36;  // the kernel's struct termios
constexpr uint32_t kTermio = 18;
constexpr uint32_t kWinsize = 8;
constexpr uint32_t kIcount = 80;  // struct serial_icounter_struct
constexpr uint32_t kIfreq = 40;
constexpr uint32_t kArpreq = 68;

using enum IoctlArg;

constexpr KnownIoctl kTerminal[] = {
    {TCGETS, Out, kTermios},
    {TCSETS, In, kTermios},
    {TCSETSW, In, kTermios},
    {TCSETSF, In, kTermios},
    {TCGETA, Out, kTermio},
    {TCSETA, In, kTermio},
    {TCSETAW, In, kTermio},
    {TCSETAF, In, kTermio},
    {TCSBRK, Value},
    {TCSBRKP, Value},
    {TCXONC, Value},
    {TCFLSH, Value},
    {TIOCEXCL, Value},
    {TIOCNXCL, Value},
    {TIOCSCTTY, Value},
    {TIOCGPGRP, Out, 4},
    {TIOCSPGRP, In, 4},
    {TIOCOUTQ, Out, 4},
    {TIOCSTI, In, 1},
    {TIOCGWINSZ, Out, kWinsize},
    {TIOCSWINSZ, In, kWinsize},
    {TIOCMGET, Out, 4},
    {TIOCMBIS, In, 4},
    {TIOCMBIC, In, 4},
    {TIOCMSET, In, 4},
    {TIOCMIWAIT, Value},
    {TIOCGICOUNT, Out, kIcount},
    {TIOCGSOFTCAR, Out, 4},
    {TIOCSSOFTCAR, In, 4},
    {FIONREAD, Out, 4},
    {TIOCLINUX, GoHome},
    {TIOCCONS, Value},
    {TIOCGSERIAL, GoHome},  // holds an address of the port
    {TIOCSSERIAL, GoHome},
    {TIOCPKT, In, 4},
    {FIONBIO, In, 4},
    {TIOCNOTTY, Value},
    {TIOCSETD, In, 4},
    {TIOCGETD, Out, 4},
    {TIOCSBRK, Value},
    {TIOCCBRK, Value},
    {TIOCGSID, Out, 4},
    {TIOCGPTN, Out, 4},
    {TIOCSPTLCK, In, 4},
    {TIOCGDEV, Out, 4},
    {TCGETX, Out, 16},
    {TCSETX, In, 16},
    {TCSETXF, In, 16},
    {TCSETXW, In, 16},
    {TIOCSIG, Value},
    {TIOCVHANGUP, Value},
    {TIOCGPKT, Out, 4},
    {TIOCGPTLCK, Out, 4},
    {TIOCGEXCL, Out, 4},
    {TIOCGPTPEER, Value},
    {FIONCLEX, Value},
    {FIOCLEX, Value},
    {FIOASYNC, In, 4},
    {TIOCSERCONFIG, Value},
    {TIOCSERGETLSR, Out, 4},
    {TIOCGLCKTRMIOS, Out, kTermios},
    {TIOCSLCKTRMIOS, In, kTermios},
    {FIOQSIZE, Out, 8},
};

constexpr KnownIoctl kConsole[] = {
    {0x4b30, Value},       // KDMKTONE
    {0x4b2f, Value},       // KIOCSOUND
    {0x4b31, Out, 1},      // KDGETLED
    {0x4b32, Value},       // KDSETLED
    {0x4b33, Out, 1},      // KDGKBTYPE
    {0x4b3a, Value},       // KDSETMODE
    {0x4b3b, Out, 4},      // KDGETMODE
    {0x4b40, Out, 256},    // GIO_SCRNMAP
    {0x4b41, In, 256},     // PIO_SCRNMAP
    {0x4b44, Out, 4},      // KDGKBMODE
    {0x4b45, Value},       // KDSKBMODE
    {0x4b46, InOut, 4},    // KDGKBENT
    {0x4b47, In, 4},       // KDSKBENT
    {0x4b48, InOut, 513},  // KDGKBSENT
    {0x4b49, In, 513},     // KDSKBSENT
    {0x4b4e, Value},       // KDSIGACCEPT
    {0x4b62, Out, 4},      // KDGKBMETA
    {0x4b63, Value},       // KDSKBMETA
    {0x4b64, Out, 1},      // KDGKBLED
    {0x4b65, Value},       // KDSKBLED
    {0x4b70, Out, 48},     // GIO_CMAP
    {0x4b71, In, 48},      // PIO_CMAP
    {0x5600, Out, 4},      // VT_OPENQRY
    {0x5601, Out, 8},      // VT_GETMODE
    {0x5602, In, 8},       // VT_SETMODE
    {0x5603, Out, 6},      // VT_GETSTATE
    {0x5604, Value},       // VT_SENDSIG
    {0x5605, Value},       // VT_RELDISP
    {0x5606, Value},       // VT_ACTIVATE
    {0x5607, Value},       // VT_WAITACTIVE
    {0x5608, Value},       // VT_DISALLOCATE
    {0x5609, In, 6},       // VT_RESIZE
    {0x560a, In, 12},      // VT_RESIZEX
    {0x560b, Value},       // VT_LOCKSWITCH
    {0x560c, Value},       // VT_UNLOCKSWITCH
};

constexpr KnownIoctl kNetwork[] = {
    {FIOSETOWN, In, 4},
    {SIOCSPGRP, In, 4},
    {FIOGETOWN, Out, 4},
    {SIOCGPGRP, Out, 4},
    {SIOCATMARK, Out, 4},
    {SIOCGSTAMP_OLD, Out, 16},
    {SIOCGSTAMPNS_OLD, Out, 16},
    {SIOCOUTQNSD, Out, 4},
    {SIOCADDRT, GoHome},  // struct rtentry holds the address of the device's name
    {SIOCDELRT, GoHome},
    {SIOCGIFNAME, InOut, kIfreq},
    {SIOCSIFLINK, Value},
    {SIOCGIFCONF, InterfaceList},
    {SIOCGIFFLAGS, InOut, kIfreq},
    {SIOCSIFFLAGS, In, kIfreq},
    {SIOCGIFADDR, InOut, kIfreq},
    {SIOCSIFADDR, In, kIfreq},
    {SIOCGIFDSTADDR, InOut, kIfreq},
    {SIOCSIFDSTADDR, In, kIfreq},
    {SIOCGIFBRDADDR, InOut, kIfreq},
    {SIOCSIFBRDADDR, In, kIfreq},
    {SIOCGIFNETMASK, InOut, kIfreq},
    {SIOCSIFNETMASK, In, kIfreq},
    {SIOCGIFMETRIC, InOut, kIfreq},
    {SIOCSIFMETRIC, In, kIfreq},
    {SIOCGIFMTU, InOut, kIfreq},
    {SIOCSIFMTU, In, kIfreq},
    {SIOCSIFNAME, In, kIfreq},
    {SIOCSIFHWADDR, In, kIfreq},
    {SIOCGIFHWADDR, InOut, kIfreq},
    {SIOCSIFHWBROADCAST, In, kIfreq},
    {SIOCGIFSLAVE, InOut, kIfreq},
    {SIOCSIFSLAVE, In, kIfreq},
    {SIOCADDMULTI, In, kIfreq},
    {SIOCDELMULTI, In, kIfreq},
    {SIOCGIFINDEX, InOut, kIfreq},
    {SIOCSIFPFLAGS, In, kIfreq},
    {SIOCGIFPFLAGS, InOut, kIfreq},
    {SIOCGIFTXQLEN, InOut, kIfreq},
    {SIOCSIFTXQLEN, In, kIfreq},
    {SIOCGIFMAP, InOut, kIfreq},
    {SIOCSIFMAP, In, kIfreq},
    {SIOCDARP, In, kArpreq},
    {SIOCGARP, InOut, kArpreq},
    {SIOCSARP, In, kArpreq},
    {SIOCETHTOOL, GoHome},  // struct ifreq with the address of a command
    {SIOCBRADDBR, String},
    {SIOCBRDELBR, String},
    {0x400454cb, Value},          // TUNSETPERSIST
    {0x400454cc, Value},          // TUNSETOWNER
    {0x400454ce, Value},          // TUNSETGROUP
    {0x400454cd, Value},          // TUNSETLINK
    {0x400454c8, Value},          // TUNSETNOCSUM
    {0x400454c9, Value},          // TUNSETDEBUG
    {0x400454ca, InOut, kIfreq},  // TUNSETIFF: its size is wrong in its number
    {0x800454d2, Out, kIfreq},    // TUNGETIFF: likewise
    {0x400454d0, Value},          // TUNSETOFFLOAD
    {0x400454d1, GoHome},         // TUNSETTXFILTER: as many addresses as it says
    {0x400454d9, In, kIfreq},     // TUNSETQUEUE
    {0x401054d5, GoHome},         // TUNATTACHFILTER
    {0x401054d6, GoHome},         // TUNDETACHFILTER
    {0x801054db, GoHome},         // TUNGETFILTER
};

constexpr KnownIoctl kFilesAndDevices[] = {
    {FIBMAP, InOut, 4},
    {FIGETBSZ, Out, 4},
    {FS_IOC_GETFLAGS, Out, 4},  // an int, whatever its number says
    {FS_IOC_SETFLAGS, In, 4},
    {FS_IOC_GETVERSION, Out, 4},
    {FS_IOC_SETVERSION, In, 4},
    {FICLONE, Value},
    {FICLONERANGE, In, 32},
    {FIDEDUPERANGE, GoHome},  // as many ranges behind it as it says
    {0xc020660b, GoHome},     // FS_IOC_FIEMAP: likewise
    {FS_IOC_FSGETXATTR, Out, 28},
    {FS_IOC_FSSETXATTR, In, 28},
    {FITRIM, InOut, 24},
    {0x40304580, GoHome},  // EVIOCSFF
    {0x80104592, GoHome},  // EVIOCGMASK: reads an address, whatever its number says
    {0x40104593, GoHome},  // EVIOCSMASK
    {FIFREEZE, Value},
    {FITHAW, Value},
    {BLKROSET, In, 4},
    {BLKROGET, Out, 4},
    {BLKRRPART, Value},
    {BLKGETSIZE, Out, 8},
    {BLKFLSBUF, Value},
    {BLKRASET, Value},
    {BLKRAGET, Out, 8},
    {BLKFRASET, Value},
    {BLKFRAGET, Out, 8},
    {BLKSECTSET, In, 2},
    {BLKSECTGET, Out, 2},
    {BLKSSZGET, Out, 4},
    {0x1269, GoHome},  // BLKPG
    {BLKBSZGET, Out, 4},
    {BLKBSZSET, In, 4},
    {BLKGETSIZE64, Out, 8},
    {0xc0481273, GoHome},  // BLKTRACESETUP
    {BLKDISCARD, In, 16},
    {BLKIOMIN, Out, 4},
    {BLKIOOPT, Out, 4},
    {BLKALIGNOFF, Out, 4},
    {BLKPBSZGET, Out, 4},
    {BLKDISCARDZEROES, Out, 4},
    {BLKSECDISCARD, In, 16},
    {BLKROTATIONAL, Out, 2},
    {BLKZEROOUT, In, 16},
    {RNDGETENTCNT, Out, 4},
    {RNDADDTOENTCNT, In, 4},
    {RNDADDENTROPY, GoHome},  // as many bytes behind it as it says
    {RNDGETPOOL, GoHome},
    {RNDZAPENTCNT, Value},
    {RNDCLEARPOOL, Value},
    {RNDRESEEDCRNG, Value},
    {0x4c00, Value},     // LOOP_SET_FD
    {0x4c01, Value},     // LOOP_CLR_FD
    {0x4c02, In, 168},   // LOOP_SET_STATUS
    {0x4c03, Out, 168},  // LOOP_GET_STATUS
    {0x4c04, In, 232},   // LOOP_SET_STATUS64
    {0x4c05, Out, 232},  // LOOP_GET_STATUS64
    {0x4c06, Value},     // LOOP_CHANGE_FD
    {0x4c07, Value},     // LOOP_SET_CAPACITY
    {0x4c08, Value},     // LOOP_SET_DIRECT_IO
    {0x4c09, Value},     // LOOP_SET_BLOCK_SIZE
    {0x4c0a, In, 304},   // LOOP_CONFIGURE
    {0x4c80, Value},     // LOOP_CTL_ADD
    {0x4c81, Value},     // LOOP_CTL_REMOVE
    {0x4c82, Value},     // LOOP_CTL_GET_FREE
    {0x7001, Value},     // RTC_AIE_ON and its like
    {0x7002, Value},
    {0x7003, Value},
    {0x7004, Value},
    {0x7005, Value},
    {0x7006, Value},
    {0x4008700c, Value},  // RTC_IRQP_SET: a number, whatever its own says
    {0x4008700e, Value},  // RTC_EPOCH_SET
    {0xb701, Value},      // NS_GET_USERNS and its like give a file descriptor or a number
    {0xb702, Value},
    {0xb703, Value},
    {0x8004b704, Out, 4},  // NS_GET_OWNER_UID
};

constexpr size_t kCount = std::size(kTerminal) + std::size(kConsole) + std::size(kNetwork) + std::size(kFilesAndDevices);

constexpr auto sorted() {
    std::array<KnownIoctl, kCount> all{};
    size_t n = 0;
    auto take = [&](const auto& family) {
        for (const KnownIoctl& known : family) all[n++] = known;
    };
    take(kTerminal);
    take(kConsole);
    take(kNetwork);
    take(kFilesAndDevices);
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.request < b.request; });
    return all;
}
constexpr auto kKnown = sorted();

constexpr bool no_request_twice() {
    for (size_t i = 1; i < kCount; i++)
        if (kKnown[i].request == kKnown[i - 1].request) return false;
    return true;
}
static_assert(no_request_twice());

// DRM, KVM, userfaultfd, perf, ALSA, V4L2, USB, NVMe, SCSI, MTD, device mapper, btrfs, XFS handles, PPP
// filters, vfio, infiniband, fuse, SPI, I2C, framebuffers, binder.
constexpr uint8_t kHoldsAddresses[] = {
    'd', 0xae, 0xaa, '$',  'A', 'V',  'U', 'N', 'S',  0x22, 'M', 0xfd, 0x94, 'X',
    't', ';',  0x1b, 0xe5, 'k', 0x07, 'F', 'b', 0xaf, 'o',  'H', 'v',  '"',  '!',
};

}  // namespace

const KnownIoctl* find_ioctl(uint32_t request) {
    auto found = std::lower_bound(kKnown.begin(), kKnown.end(), request,
                                  [](const KnownIoctl& known, uint32_t wanted) { return known.request < wanted; });
    return found != kKnown.end() && found->request == request ? &*found : nullptr;
}

bool family_holds_addresses(uint8_t type) {
    return std::find(std::begin(kHoldsAddresses), std::end(kHoldsAddresses), type) != std::end(kHoldsAddresses);
}

}  // namespace pmi

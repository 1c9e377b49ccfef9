// Capabilities, personality, scheduling attributes, timers and sleeps on a clock.
#include <linux/capability.h>
#include <sys/personality.h>
#include <time.h>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"
#include "interpose/syscall/sizes.h"

namespace pmi {
namespace {

using rows::bytes;

// The kernel writes the version that it prefers into a header whose version it doesn't know.
uint32_t move_header(Gather& gather) {
    gather.move(0, rows::always(rows::inout("header", bytes(size::kCapHeader))));
    auto version = gather.load<uint32_t>(gather.arg(0));
    return version == _LINUX_CAPABILITY_VERSION_1 ? size::kCapData : 2 * size::kCapData;
}

// What tells how a new mapping lies or what it may do; the guest's kernel makes the mappings while away.
constexpr uint32_t kAboutMemory = READ_IMPLIES_EXEC | ADDR_LIMIT_3GB | ADDR_LIMIT_32BIT | MMAP_PAGE_ZERO;

constexpr uint32_t kSchedAttrFirst = 48;  // SCHED_ATTR_SIZE_VER0

// CPU-time clocks: the two fixed numbers, and the dynamic ones that are not made of a file descriptor.
bool counts_cpu_time(int clock) {
    constexpr int kClockFd = 3;
    return clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID || (clock < 0 && (clock & 7) != kClockFd);
}

}  // namespace

void marshal_capget(Gather& gather) {
    uint32_t size = move_header(gather);
    gather.move(1, rows::sparse(rows::out("dataptr", bytes(size))));
}

void marshal_capset(Gather& gather) {
    uint32_t size = move_header(gather);
    gather.move(1, rows::in("data", bytes(size)));
}

void marshal_personality(Gather& gather) {
    constexpr uint32_t kQuery = 0xffffffff;
    auto wanted = static_cast<uint32_t>(gather.arg(0));
    if (wanted != kQuery && (wanted & kAboutMemory) != 0) return gather.go_home("a personality that changes how memory is mapped");
    gather.pass(0);
}

// Its size stands in its first field; the kernel writes the size that it knows there with E2BIG.
void marshal_sched_setattr(Gather& gather) {
    if (gather.arg(1) == 0) return;
    auto size = gather.load<uint32_t>(gather.arg(1));
    if (size == 0) size = kSchedAttrFirst;
    if (size < kSchedAttrFirst || size > 4096) size = 4;  // E2BIG
    uint32_t at = gather.copy_in(gather.arg(1), size);
    gather.point_arg(1, at);
    gather.send_back({at, 4, OutWhen::Always, 1, 0});
    gather.write_back({at, gather.arg(1), 4, false, true});  // changes only: it is mostly the same
}

// timer_create, clock_nanosleep: both have the clock first.
void marshal_timer_on_clock(Gather& gather) {
    if (counts_cpu_time(gather.int_arg(0))) return gather.go_home("a timer or a sleep on CPU time");
    gather.pass(0);
}

}  // namespace pmi

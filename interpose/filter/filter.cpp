// The program is a binary search over ranges of numbers that are treated alike, so that no call pays more
// than some ten instructions. Only words at offsets that seccomp allows are loaded, and of arguments, but for the
// sign of a stub's rt_sigprocmask, only low halves are looked at: the kernel itself takes a clock's number, and
// mmap's flags, from no more than those.
#include "interpose/filter/filter.h"

#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include <cstddef>
#include <initializer_list>

#include "interpose/agent/agent.h"
#include "interpose/syscall/row.h"
#include "runtime/base/error.h"

namespace pmi {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;  // __X32_SYSCALL_BIT
constexpr uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;

enum class Verdict : uint8_t { Notify, Allow, Mmap, Mprotect, Madvise, Sigprocmask, ClockGettime, Futex, FutexWaitv, FutexWait };

// Numbers from `first` on, up to the next range.
struct Range {
    uint32_t first;
    Verdict verdict;
};

constexpr int16_t kFutexWaitv = 449, kFutexWait = 455;  // newer than Debian 12's header

Verdict verdict_of(const Row& row) {
    if (row.nr == SYS_futex) return Verdict::Futex;
    if (row.nr == kFutexWaitv) return Verdict::FutexWaitv;
    if (row.nr == kFutexWait) return Verdict::FutexWait;
    if (row.nr == SYS_mprotect) return Verdict::Mprotect;
    if (row.nr == SYS_madvise) return Verdict::Madvise;
    if (row.nr == SYS_rt_sigprocmask) return Verdict::Sigprocmask;
    if (row.route == Route::Local) return Verdict::Allow;
    if (row.nr == SYS_mmap) return Verdict::Mmap;
    if (row.nr == SYS_clock_gettime) return Verdict::ClockGettime;
    return Verdict::Notify;
}

std::vector<Range> ranges_of_table() {
    std::vector<Range> ranges{{0, Verdict::Notify}};
    uint32_t next = 0;
    auto from = [&](uint32_t nr, Verdict verdict) {
        if (ranges.back().verdict == verdict) return;
        if (ranges.back().first == nr)
            ranges.back().verdict = verdict;
        else
            ranges.push_back({nr, verdict});
    };
    for (const Row& row : syscall_table()) {
        auto nr = static_cast<uint32_t>(row.nr);
        if (nr > next) from(next, Verdict::Notify);
        from(nr, verdict_of(row));
        next = nr + 1;
    }
    from(next, Verdict::Notify);
    return ranges;
}

class Program {
  public:
    void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
    void give(uint32_t action) { add(BPF_RET | BPF_K, action); }
    // If the test (BPF_JEQ, BPF_JGE, BPF_JSET with `value`) is false, the next `skip` instructions are
    // skipped.
    void unless_skip(uint16_t test, uint32_t value, size_t skip) { jump(test, value, 0, skip); }
    void if_skip(uint16_t test, uint32_t value, size_t skip) { jump(test, value, skip, 0); }
    void append(const Program& other) { code_.insert(code_.end(), other.code_.begin(), other.code_.end()); }
    void jump_over(size_t count) { add(BPF_JMP | BPF_JA, static_cast<uint32_t>(count)); }
    size_t size() const { return code_.size(); }
    std::vector<sock_filter> take() { return std::move(code_); }

  private:
    void add(uint16_t code, uint32_t k) { code_.push_back({code, 0, 0, k}); }
    void jump(uint16_t test, uint32_t value, size_t if_true, size_t if_false) {
        PMI_ASSERT(if_true <= UINT8_MAX && if_false <= UINT8_MAX);
        code_.push_back(
            {static_cast<uint16_t>(BPF_JMP | BPF_K | test), static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false), value});
    }
    std::vector<sock_filter> code_;
};

size_t low_half_of_arg(size_t i) { return offsetof(seccomp_data, args) + i * 8; }

// Private anonymous memory, in ordinary pages.
Program decide_mmap() {
    Program p;
    p.load(low_half_of_arg(3));
    p.if_skip(BPF_JSET, MAP_SHARED | MAP_HUGETLB, 2);  // that bit is set in MAP_SHARED_VALIDATE too
    p.unless_skip(BPF_JSET, MAP_ANONYMOUS, 1);
    p.give(SECCOMP_RET_ALLOW);
    p.give(SECCOMP_RET_USER_NOTIF);
    return p;
}

// Code that becomes writable while it stays code: whoever does that is about to change it in place.
Program decide_mprotect() {
    Program p;
    p.load(low_half_of_arg(2));
    p.unless_skip(BPF_JSET, PROT_WRITE, 2);
    p.unless_skip(BPF_JSET, PROT_EXEC, 1);
    p.give(SECCOMP_RET_USER_NOTIF);
    p.give(SECCOMP_RET_ALLOW);
    return p;
}

// What a patched site makes by itself.
Program decide_sigprocmask() {
    Program p;
    p.load(low_half_of_arg(0) + 4);
    p.if_skip(BPF_JEQ, kMaskCallSign, 1);
    p.give(SECCOMP_RET_USER_NOTIF);
    p.give(SECCOMP_RET_ALLOW);
    return p;
}

// `listed` for these values of an argument, else `others`.
Program decide_by_value(size_t arg, std::initializer_list<uint32_t> values, uint32_t listed, uint32_t others) {
    Program p;
    p.load(low_half_of_arg(arg));
    size_t left = values.size();
    for (uint32_t value : values) p.if_skip(BPF_JEQ, value, left--);
    p.give(others);
    p.give(listed);
    return p;
}

// Guard pages (MADV_GUARD_INSTALL, Linux 6.13) can't be carried from everywhere.
Program decide_madvise() {
    constexpr uint32_t kGuardInstall = 102;
    return decide_by_value(2, {kGuardInstall}, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW);
}

// The clocks that the guest's time namespace sets right.
Program decide_clock_gettime() {
    return decide_by_value(0, {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME}, SECCOMP_RET_ALLOW,
                           SECCOMP_RET_USER_NOTIF);
}

// Waiting by the wall clock, which is home's, is not left to the kernel here: with a timeout,
// they are notified.
void give_by_timeout(Program& p, size_t timeout_arg) {
    p.load(low_half_of_arg(timeout_arg));
    p.unless_skip(BPF_JEQ, 0, 3);
    p.load(low_half_of_arg(timeout_arg) + 4);
    p.unless_skip(BPF_JEQ, 0, 1);
    p.give(SECCOMP_RET_ALLOW);
    p.give(SECCOMP_RET_USER_NOTIF);
}
Program decide_futex_clock(size_t timeout_arg, size_t clock_arg) {
    Program p;
    p.load(low_half_of_arg(clock_arg));
    p.if_skip(BPF_JEQ, CLOCK_REALTIME, 1);
    p.give(SECCOMP_RET_ALLOW);
    give_by_timeout(p, timeout_arg);
    return p;
}
Program decide_futex() {
    constexpr uint32_t kLockPi = FUTEX_LOCK_PI, kLockPiPrivate = FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG;  // always the wall clock
    Program p;
    p.load(low_half_of_arg(1));
    p.if_skip(BPF_JSET, FUTEX_CLOCK_REALTIME, 3);
    p.if_skip(BPF_JEQ, kLockPi, 2);
    p.if_skip(BPF_JEQ, kLockPiPrivate, 1);
    p.give(SECCOMP_RET_ALLOW);
    give_by_timeout(p, 3);
    return p;
}

Program decide(Verdict verdict) {
    Program p;
    switch (verdict) {
        case Verdict::Notify: p.give(SECCOMP_RET_USER_NOTIF); break;
        case Verdict::Allow: p.give(SECCOMP_RET_ALLOW); break;
        case Verdict::Mmap: return decide_mmap();
        case Verdict::Madvise: return decide_madvise();
        case Verdict::Mprotect: return decide_mprotect();
        case Verdict::Sigprocmask: return decide_sigprocmask();
        case Verdict::ClockGettime: return decide_clock_gettime();
        case Verdict::Futex: return decide_futex();
        case Verdict::FutexWaitv: return decide_futex_clock(3, 4);
        case Verdict::FutexWait: return decide_futex_clock(4, 5);
    }
    return p;
}

// With the number in the accumulator, which lies in one of the ranges.
Program search(std::span<const Range> ranges) {
    if (ranges.size() == 1) return decide(ranges.front().verdict);
    size_t middle = ranges.size() / 2;
    Program below = search(ranges.first(middle));
    Program above = search(ranges.subspan(middle));
    Program p;
    if (below.size() <= UINT8_MAX) {
        p.if_skip(BPF_JGE, ranges[middle].first, below.size());
    } else {
        p.unless_skip(BPF_JGE, ranges[middle].first, 1);
        p.jump_over(below.size());
    }
    p.append(below);
    p.append(above);
    return p;
}

}  // namespace

std::vector<sock_filter> guest_filter() {
    Program p;
    p.load(offsetof(seccomp_data, arch));
    p.if_skip(BPF_JEQ, AUDIT_ARCH_X86_64, 3);
    p.if_skip(BPF_JEQ, AUDIT_ARCH_I386, 1);
    p.give(kNoSuchCall);
    p.give(SECCOMP_RET_USER_NOTIF);
    p.load(offsetof(seccomp_data, nr));
    p.unless_skip(BPF_JSET, kX32Bit, 1);
    p.give(kNoSuchCall);
    p.append(search(ranges_of_table()));
    PMI_ASSERT(p.size() <= BPF_MAXINSNS);
    return p.take();
}

}  // namespace pmi

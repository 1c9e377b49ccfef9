// prctl, by option: the guest's own kernel does what concerns memory or the CPU, home the rest.
#include <linux/prctl.h>

#include <algorithm>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"

namespace pmi {
namespace {

using rows::bytes;

// Newer than the oldest user-land headers that pmi builds with.
constexpr int kSetMdwe = 65;
constexpr int kGetMdwe = 66;
constexpr int kSetMemoryMerge = 67;
constexpr int kGetMemoryMerge = 68;
constexpr int kTimerCreateRestoreIds = 77;
constexpr int kFutexHash = 78;
constexpr int kGetAuxv = 0x41555856;

constexpr int kInTheGuest[] = {
    PR_GET_TSC,
    PR_GET_TID_ADDRESS,
    PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE,
    PR_GET_SPECULATION_CTRL,
    PR_SET_SPECULATION_CTRL,
    kGetMdwe,
    kSetMemoryMerge,
    kGetMemoryMerge,
    kFutexHash,
    PR_SET_VMA,
};
// Their arguments are numbers, all of them.
constexpr int kNumbersOnly[] = {
    PR_SET_PDEATHSIG,
    PR_GET_DUMPABLE,
    PR_SET_DUMPABLE,
    PR_GET_KEEPCAPS,
    PR_SET_KEEPCAPS,
    PR_GET_TIMING,
    PR_SET_TIMING,
    PR_GET_SECCOMP,
    PR_CAPBSET_READ,
    PR_CAPBSET_DROP,
    PR_GET_SECUREBITS,
    PR_SET_SECUREBITS,
    PR_SET_TIMERSLACK,
    PR_GET_TIMERSLACK,
    PR_TASK_PERF_EVENTS_DISABLE,
    PR_TASK_PERF_EVENTS_ENABLE,
    PR_MCE_KILL,
    PR_MCE_KILL_GET,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS,
    PR_GET_NO_NEW_PRIVS,
    PR_CAP_AMBIENT,
    PR_SET_IO_FLUSHER,
    PR_GET_IO_FLUSHER,
    kTimerCreateRestoreIds,
    PR_SET_PTRACER,
};

template <size_t N>
bool contains(const int (&options)[N], int option) {
    return std::find(std::begin(options), std::end(options), option) != std::end(options);
}

void pass_rest(Gather& gather, unsigned from) {
    for (unsigned i = from; i < 5; i++) gather.pass(i);
}

// Numbers that no address can be: either way home gives the kernel's own answer.
bool all_small(const Gather& gather) {
    for (unsigned i = 1; i < 5; i++)
        if (gather.arg(i) >= kLowestAddress) return false;
    return true;
}

void move_name(Gather& gather) {
    constexpr uint32_t kName = 16;  // TASK_COMM_LEN
    gather.point_arg(1, gather.copy_string(gather.arg(1), kName, 0));
}

void move_auxv(Gather& gather) {
    gather.move(1, rows::by_result(rows::out("auxv", rows::length(2))));
    pass_rest(gather, 2);
}

void move_core_scheduling(Gather& gather) {
    pass_rest(gather, 1);
    gather.set_arg(4, 0);
    gather.move(4, rows::out("cookie", bytes(8)));  // PR_SCHED_CORE_GET; null for the others
}

}  // namespace

void marshal_prctl(Gather& gather) {
    int option = gather.int_arg(0);
    if (contains(kInTheGuest, option)) return gather.run_locally();
    // Nobody could look into it any more, to serve its calls.
    if (option == PR_SET_DUMPABLE && gather.arg(1) != 1)
        return gather.go_home("a program that nobody may look into (PR_SET_DUMPABLE)");
    if (contains(kNumbersOnly, option)) return pass_rest(gather, 1);
    switch (option) {
        case PR_SET_NAME: return move_name(gather);
        case PR_GET_NAME: return gather.move(1, rows::out("name", bytes(16)));
        case PR_GET_PDEATHSIG:
        case PR_GET_CHILD_SUBREAPER: return gather.move(1, rows::out("number", bytes(4)));
        case kGetAuxv: return move_auxv(gather);
        case PR_SCHED_CORE: return move_core_scheduling(gather);
        case PR_SET_SECCOMP: return gather.go_home("a seccomp filter of the program's own");
        case PR_SET_MM: return gather.go_home("prctl(PR_SET_MM): addresses that the kernel keeps of the program");
        case kSetMdwe: return gather.go_home("memory that may not be written and executed (PR_SET_MDWE)");
        case PR_SET_TSC: return gather.go_home("the time stamp counter forbidden or allowed (PR_SET_TSC)");
        case PR_SET_SYSCALL_USER_DISPATCH: return gather.go_home("system calls dispatched in user space");
        default: break;
    }
    if (!all_small(gather)) return gather.go_home("a prctl option that pmi does not know");
    pass_rest(gather, 1);
}

}  // namespace pmi

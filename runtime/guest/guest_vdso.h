// Where the vDSOs are in the guests of a session (interpose/vdso/shims.h), and how a thread gets out of them: what is in the
// shims or in the node's own vDSO is known on no other machine, neither in a thread's registers nor in a signal's frame.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "interpose/vdso/vdso_image.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/injector.h"
#include "runtime/tracee/memory.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {

struct GuestVdso {
    uint64_t agent_base = 0;
    AddressRange copy;                    // of home's vDSO, where home has it
    std::vector<VdsoFunction> functions;  // of home's
    AddressRange trampolines;             // directly below the copy
    std::vector<Trampoline> entries;      // in there
    AddressRange local;                   // the node's own, with its data

    // Code that has to be left before anybody else may see the thread's registers.
    bool is_inside(uint64_t address) const;
    // Whether a fault (SIGILL or SIGSEGV) is that of somebody who runs what home's functions are besides the jumps, or looks
    // at home's data, which is not here.
    bool needs_home(uint64_t instruction, uint64_t accessed, const wire::Image& image) const;
};

// The image's [vdso] and what the guest has to have there. The image is a peer's.
Expected<GuestVdso> describe_vdso(const wire::Image& image);
// The bytes from trampolines.start to copy.end. `image` is the one described. Empty: home has no vDSO.
std::string vdso_copy(const GuestVdso& vdso, const wire::Image& image);

// The kernel's own mappings: all of [vvar...] and [vdso].
bool is_kernel_code(const std::string& name);
AddressRange kernel_block(const std::vector<MapsEntry>& maps);

// Puts the thread where home's program would be, if that can be done by its registers alone: at the beginning of home's
// function, or behind it with the result of its call. True when the registers were changed.
Expected<bool> put_outside(const GuestVdso& vdso, Registers& registers, const RemoteMemory& memory);
// That, or steps it out. The thread is stopped with kStepMask: all signals blocked but those of faults, which would lose
// their handlers if they were.
constexpr uint64_t kStepMask = kInjectionMask & ~(uint64_t{1} << (SIGSEGV - 1) | uint64_t{1} << (SIGBUS - 1));
Status leave_vdso(pid_t tid, const GuestVdso& vdso, const RemoteMemory& memory, StopWaiter& waiter);

}  // namespace pmi

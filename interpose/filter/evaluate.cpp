// The instructions that guest_filter() uses, as the kernel executes them. Anything else, and whatever runs
// off the end, gives SECCOMP_RET_KILL_PROCESS: a test sees that.
#include <linux/seccomp.h>

#include <cstring>

#include "interpose/filter/filter.h"

namespace pmi {
namespace {

static_assert(sizeof(SeccompData) == sizeof(seccomp_data));

bool holds(uint16_t test, uint32_t accumulator, uint32_t k) {
    switch (test) {
        case BPF_JEQ: return accumulator == k;
        case BPF_JGT: return accumulator > k;
        case BPF_JGE: return accumulator >= k;
        case BPF_JSET: return (accumulator & k) != 0;
        default: return false;
    }
}

}  // namespace

uint32_t evaluate_filter(std::span<const sock_filter> program, const SeccompData& data) {
    uint32_t accumulator = 0;
    for (size_t at = 0; at < program.size(); at++) {
        const sock_filter& step = program[at];
        switch (step.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                if (step.k % 4 != 0 || step.k + 4 > sizeof data) return SECCOMP_RET_KILL_PROCESS;
                std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k, 4);
                break;
            case BPF_JMP | BPF_JA: at += step.k; break;
            case BPF_JMP | BPF_K | BPF_JEQ:
            case BPF_JMP | BPF_K | BPF_JGT:
            case BPF_JMP | BPF_K | BPF_JGE:
            case BPF_JMP | BPF_K | BPF_JSET: at += holds(BPF_OP(step.code), accumulator, step.k) ? step.jt : step.jf; break;
            case BPF_RET | BPF_K: return step.k;
            default: return SECCOMP_RET_KILL_PROCESS;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

}  // namespace pmi

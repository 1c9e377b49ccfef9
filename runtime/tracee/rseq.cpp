#include "runtime/tracee/rseq.h"

#include "runtime/tracee/memory.h"

namespace pmi {
namespace {

struct Section {  // struct rseq_cs
    uint32_t version, flags;
    uint64_t start, size, abort;
};
constexpr uint64_t kSectionInArea = 8;  // of struct rseq: where the thread says which section it is in

}  // namespace

Status leave_rseq_section(pid_t tid) {
    TRY_ASSIGN(auto rseq, get_rseq(tid));
    if (rseq.address == 0) return {};
    RemoteMemory memory(tid);
    // What can't be read the kernel would not find either.
    auto place = memory.get<uint64_t>(rseq.address + kSectionInArea);
    if (!place || *place == 0) return {};
    auto section = memory.get<Section>(*place);
    if (!section || section->version != 0) return {};
    TRY_ASSIGN(Registers r, get_registers(tid));
    bool is_inside = r.rip - section->start < section->size;
    bool is_in_call = static_cast<int64_t>(r.orig_rax) >= 0;
    if (!is_inside || is_in_call) return {};
    TRY(memory.put(rseq.address + kSectionInArea, uint64_t{0}));
    r.rip = section->abort;
    return set_registers(tid, r);
}

}  // namespace pmi

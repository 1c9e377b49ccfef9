#include "runtime/deputy/lasting_answers.h"

#include <fmt/format.h>

#include <sstream>

#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

// In the first user namespace, or one that has all of the ids that its parent has.
bool maps_all(const std::string& path) {
    auto text = read_file(path);
    if (!text) return false;
    std::istringstream in(*text);
    uint64_t inside = 1, outside = 1, count = 0, more = 0;
    in >> inside >> outside >> count;
    return inside == 0 && outside == 0 && count == UINT32_MAX && !(in >> more);
}

}  // namespace

LastingFacts read_lasting_facts(HomePid pid) {
    constexpr uint64_t kForkNoExec = 0x40;  // PF_FORKNOEXEC
    LastingFacts facts;
    facts.all_ids_mapped =
        maps_all(fmt::format("/proc/{}/uid_map", pid.value)) && maps_all(fmt::format("/proc/{}/gid_map", pid.value));
    auto stat = read_stat(pid.value);
    facts.has_execed = stat && (stat->flags & kForkNoExec) == 0;
    return facts;
}

bool answer_lasts(const Call& call, int64_t result, HomePid pid, const LastingFacts& facts) {
    const Row* row = find_row(call.nr);
    if (row == nullptr || result < 0) return false;
    bool is_own = call.args[0] == 0 || call.args[0] == static_cast<uint64_t>(pid.value);
    switch (row->lasts) {
        case Known::Nothing: return false;
        case Known::Kernel: return true;
        case Known::Credentials: return facts.all_ids_mapped;
        case Known::OwnGroup: return facts.has_execed && (row->args[0].kind == ArgKind::None || is_own);
        case Known::OwnSession: return is_own;
    }
    return false;
}

}  // namespace pmi

// Calls that the program's own code answers. Where a call comes from again and again that the node may answer (guest_known.cpp),
// its site is patched to jump to a stub in the agent's place, which takes the answer from a page of this process's
// (interpose/patch).
//
// A site is patched while no thread runs: each is in a notification or held in a stop. So none is inside the instruction that is
// replaced, and none executes what it has fetched before. With one thread that is so whenever it has called.
// The page holds what is true of every thread. Before a call goes on that may change an answer, it is taken away.
// Before the program is looked at, to travel on, every thread is where it would be without stubs, and the code is as it was.
#include <algorithm>

#include "runtime/base/log.h"
#include "runtime/guest/guest_memory_access.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

constexpr uint32_t kHot = 8;  // calls
constexpr uint32_t kLookedAt = UINT32_MAX;
constexpr size_t kMaxPlaces = 1024;

// Of a call without arguments, as it would be sent.
ByteBuffer question_of(const Row& row, const GuestMemory& memory) {
    Flattening flat = flatten(row, {}, memory);
    auto* flattened = std::get_if<Flattened>(&flat);
    return flattened == nullptr ? ByteBuffer() : encode(flattened->call).whole();
}

// What all of its threads would be told.
std::optional<uint32_t> common_answer(const GuestProcess& p, int64_t nr) {
    const Row* row = find_row(nr);
    if (row == nullptr || row->lasts == Known::Nothing) return std::nullopt;
    auto question = question_of(*row, GuestMemoryAccess(*p.memory));
    std::optional<int64_t> common;
    for (const auto& [tid, t] : p.threads) {
        if (t->ended) continue;
        auto known = t->known.find(row->lasts, question);
        if (!known || (common && *common != known->result)) return std::nullopt;
        common = known->result;
    }
    bool fits = common && *common >= 0 && *common <= UINT32_MAX;
    return fits ? std::optional(static_cast<uint32_t>(*common)) : std::nullopt;
}

// A mask's stub serves a process with one thread (guest_late_mask.cpp).
bool has_use_for_stub(const GuestProcess& p, int64_t nr) {
    if (nr == SYS_rt_sigprocmask) return p.threads.size() == 1 && can_run_mask_stub();
    return common_answer(p, nr).has_value();
}

// Bytes of the program's code that end at `resume`. Only what comes from a file and can't be written to is ever patched: code that
// the program makes itself, or changes, is its own.
Expected<std::vector<std::byte>> code_before(const GuestProcess& p, uint64_t resume) {
    TRY_ASSIGN(auto maps, read_maps(p.alive()));
    auto it = std::find_if(maps.begin(), maps.end(), [&](const MapsEntry& m) { return resume > m.start && resume <= m.end; });
    if (it == maps.end()) return fail("nothing is mapped there");
    if (!it->has_file() || it->shared || !it->exec || it->write) return fail("it is no code of a file");
    std::vector<std::byte> code(std::min<uint64_t>(kSiteWindow, resume - it->start));
    TRY(p.memory->read(resume - code.size(), code));
    if (p.patches.sites) p.patches.sites->show_original(resume - code.size(), code);
    return code;
}

// First what stands there: what can't be written says so before anything has changed, on both pages if there are two.
Status write_code(const RemoteMemory& memory, uint64_t address, const JumpBytes& before, const JumpBytes& after) {
    TRY(memory.write(address, before));
    return memory.write(address, after);
}

Expected<Site> look_at(const GuestProcess& p, const CallPlace& place) {
    TRY_ASSIGN(auto code, code_before(p, place.resume));
    return find_site(code, place.resume, place.nr);
}

Status patch_site(GuestProcess& p, const CallPlace& place) {
    TRY_ASSIGN(Site site, look_at(p, place));
    GuestPatches& patches = p.patches;
    if (!patches.sites) patches.sites.emplace(p.image.agent_base());
    TRY_ASSIGN(SitePatch * patch, patches.sites->prepare(site));
    patch->active = true;
    auto written = p.memory->write(patch->stub, patch->code);
    if (written) written = write_code(*p.memory, site.load, site.original, patch->jump);
    // A kernel that protects code even from its tracer: the next one would fare no better.
    if (!written) patches.ended = true;
    if (written) patches.patched++;
    return written;
}

// Into its page of answers. Fails for one that is being killed, which reads them no more.
bool put(const GuestProcess& p, uint64_t address, uint32_t value) {
    auto done = p.memory->put(address, value);
    if (!done) spdlog::debug("process {}: {}", p.pid.value, done.error().message());
    return done.ok();
}

}  // namespace

// Of a call that the node could answer, or make. True: its thread is being stopped, and will make the call again.
Expected<bool> GuestSupervisor::patch_if_hot(GuestThread& t) {
    GuestProcess& p = *t.process;
    GuestPatches& patches = p.patches;
    if (!parts_.patching || patches.ended || p.shares_memory || p.vfork_children > 0) return false;
    CallPlace place{t.notification->resume, t.notification->nr};
    if (!can_be_patched(place.nr) || (patches.sites && patches.sites->is_stub(place.resume))) return false;
    if (patches.calls.size() >= kMaxPlaces && patches.calls.count(place) == 0) return false;
    uint32_t& calls = patches.calls[place];
    if (calls == kLookedAt) return false;
    if (calls < kHot) calls++;
    if (calls < kHot || !has_use_for_stub(p, place.nr)) return false;
    bool is_busy = p.held() || (cloning_ && cloning_->parent->process == &p);
    for (const auto& [tid, other] : p.threads) is_busy |= other->wants_home || other->held_result.has_value();
    if (is_busy) return false;
    calls = kLookedAt;
    patches.waiting.push_back(place);
    if (p.stands_still()) {
        TRY(patch_sites(p));
        return false;
    }
    TRY(stop_threads(p));
    return true;
}

Status GuestSupervisor::patch_sites(GuestProcess& p) {
    if (p.patches.ended) {
        unpatch_or_say(p);
        return {};
    }
    for (const CallPlace& place : std::exchange(p.patches.waiting, {})) {
        auto done = patch_site(p, place);
        if (!done) p.patches.refused++;
        spdlog::debug("process {}: call {} at {:#x}: {}", p.pid.value, place.nr, place.resume,
                      done ? "patched" : done.error().message());
    }
    tell_answers(p);
    return tell_patched(p);
}

Status GuestSupervisor::tell_patched(const GuestProcess& p) {
    PatchedHead head{p.pid.value, p.patches.patched, p.patches.refused};
    return parts_.channel->send(static_cast<uint8_t>(FrameType::Patched), head_bytes(head));
}

// It makes code writable, to change it in place. First it gets it as it was, and keeps it so.
Status GuestSupervisor::change_code(GuestThread& t) {
    GuestProcess& p = *t.process;
    p.patches.ended = true;
    if (!p.patches.any_active()) return let_run(t);
    if (p.stands_still()) {
        unpatch_or_say(p);
        return let_run(t);
    }
    p.patches.waiting.push_back({});
    return stop_threads(p);
}

// When a thread has stopped or ended.
Status GuestSupervisor::patch_if_still(GuestProcess& p) {
    if (p.patches.waiting.empty() || !p.stands_still()) return {};
    TRY(patch_sites(p));
    for (auto& [tid, t] : p.threads)
        if (t->stopped && !t->wants_home && !p.held()) TRY(go_on(*t));
    return {};
}

// What has become known since. An answer that differs from the one before has to wait until no thread may be between reading that
// it is known and reading it.
void GuestSupervisor::tell_answers(GuestProcess& p) {
    GuestPatches& patches = p.patches;
    bool is_forking = cloning_ && cloning_->is_fork && cloning_->parent->process == &p;
    if (!patches.any_active() || p.shares_memory || p.vfork_children > 0 || is_forking) return;
    for (size_t i = 0; i < kAnswerable.size(); i++) {
        Answer& told = patches.told[i];
        if (told.is_known != 0) continue;
        auto answer = common_answer(p, kAnswerable[i]);
        if (!answer || (*answer != told.result && !p.stands_still())) continue;
        uint64_t at = patches.sites->answers() + i * sizeof(Answer);
        bool is_told = put(p, at + offsetof(Answer, result), *answer) && put(p, at + offsetof(Answer, is_known), 1);
        if (is_told) told = {*answer, 1};
    }
}

void GuestSupervisor::take_answers_back(GuestProcess& p) {
    for (size_t i = 0; i < kAnswerable.size(); i++) {
        Answer& told = p.patches.told[i];
        if (std::exchange(told.is_known, 0) != 0)
            put(p, p.patches.sites->answers() + i * sizeof(Answer) + offsetof(Answer, is_known), 0);
    }
}

// The child has a copy of the code and of the page, and is not running yet. A thread has the very same.
Status GuestSupervisor::inherit_patches(const GuestThread& parent, GuestThread& child) {
    child.known.inherit(parent.known, Known::Credentials);
    GuestProcess& p = *child.process;
    if (&p == parent.process) {
        child.known.inherit(parent.known, Known::OwnGroup);
        child.known.inherit(parent.known, Known::OwnSession);
        return {};
    }
    p.patches = parent.process->patches;
    p.patches.waiting.clear();
    if (!p.patches.sites) return {};
    // The parent's may have been told or taken back since.
    for (Answer& told : p.patches.told) told.is_known = 1;
    take_answers_back(p);
    return tell_patched(p);
}

Status GuestSupervisor::leave_stub(GuestThread& t) {
    if (!t.process->patches.sites) return {};
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    StubRegisters at{r.rip, r.rcx, r.rdi};
    if (!t.process->patches.sites->put_outside(at)) return {};
    r.rip = at.rip;
    r.rcx = at.rcx;
    r.rdi = at.rdi;
    return set_registers(t.outer, r);
}

// False: the fault is the program's own.
Expected<bool> GuestSupervisor::leave_fault_in_stub(GuestThread& t) {
    if (!t.process->patches.sites) return false;
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    auto there = t.process->patches.sites->after_fault(r.rip);
    if (!there) return false;
    r.rip = *there;
    TRY(set_registers(t.outer, r));
    return true;
}

void GuestSupervisor::unpatch_or_say(GuestProcess& p) {
    auto done = unpatch(p);
    if (!done) spdlog::warn("process {}: its code can't be given back: {}", p.pid.value, done.error().message());
}

// No thread runs. What the program has put there itself since stays.
Status GuestSupervisor::unpatch(GuestProcess& p) {
    GuestPatches& patches = p.patches;
    patches.waiting.clear();
    patches.calls.clear();
    if (!patches.sites) return {};
    close_masks(p);
    for (SitePatch& patch : patches.sites->all()) {
        if (!patch.active) continue;
        JumpBytes there{};
        bool is_ours = p.memory->read(patch.site.load, there) && there == patch.jump;
        if (is_ours) TRY(p.memory->write(patch.site.load, patch.site.original));
        patch.active = false;
    }
    return {};
}

}  // namespace pmi

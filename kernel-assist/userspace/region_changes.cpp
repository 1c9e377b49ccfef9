#include "kernel-assist/userspace/region_changes.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>

#include "kernel-assist/userspace/userspace_assist.h"

namespace pmi {
namespace {

constexpr ptrdiff_t kStepsAtOnce = 100;  // each some calls

enum class Growth { InPlace, Anew };

struct Made {
    size_t call;
    const RegionStep* step;
};

class Changes {
  public:
    Changes(Batch& batch, Locks locks, const BackingOf& backing_of) : batch_(batch), locks_(locks), backing_of_(backing_of) {}

    void add(const RegionStep& s, Growth growth) {
        uint64_t start = s.range.start, size = s.range.end - start;
        switch (s.what) {
            case RegionStep::Do::Unmap: return note(s, batch_.call(SYS_munmap, start, size));
            case RegionStep::Do::Protect: return note(s, batch_.call(SYS_mprotect, start, size, s.target->protection()));
            case RegionStep::Do::Map: return map(s);
            case RegionStep::Do::Grow:
                return growth == Growth::Anew ? map(s) : note(s, batch_.call(SYS_mremap, start - kPage, kPage, kPage + size, 0));
            case RegionStep::Do::Advise: return advise(s);
        }
    }
    const std::vector<Made>& made() const { return made_; }

  private:
    void map(const RegionStep& s) {
        const wire::Region& r = *s.target;
        Backing backing = backing_of_(s);
        uint64_t flags = MAP_FIXED | backing.flags;
        if (r.grows_down()) flags |= MAP_GROWSDOWN | MAP_STACK;
        if (has_vm_flag(r.vm_flags(), "nr")) flags |= MAP_NORESERVE;
        note(s,
             batch_.call(SYS_mmap, s.range.start, s.range.end - s.range.start, r.protection(), flags, backing.fd, backing.offset));
        advise(s);
    }
    void note(const RegionStep& s, size_t call) { made_.push_back({call, &s}); }
    // Advice may be refused where there is nothing to give it for.
    void advise(const RegionStep& s) {
        uint64_t start = s.range.start, size = s.range.end - start;
        bool locked = has_vm_flag(s.target->vm_flags(), "lo"), differs = locked != has_vm_flag(s.before, "lo");
        if (locks_ == Locks::Now && differs) batch_.call(locked ? SYS_mlock : SYS_munlock, start, size);
        for (int advice : advice_of(s.target->vm_flags(), s.before))
            batch_.call(SYS_madvise, start, size, static_cast<uint64_t>(advice));
    }

    Batch& batch_;
    Locks locks_;
    const BackingOf& backing_of_;
    std::vector<Made> made_;
};

using Steps = std::vector<const RegionStep*>;

// What goes makes room for what comes: the program had both at no time, and need not be allowed to (RLIMIT_AS, vm.max_map_count).
Steps in_order(const RegionPlan& plan) {
    Steps steps;
    for (const auto& s : plan.steps) steps.push_back(&s);
    std::stable_partition(steps.begin(), steps.end(), [](const auto* s) { return s->what == RegionStep::Do::Unmap; });
    return steps;
}

}  // namespace

Status change_regions(pid_t tid, const RegionPlan& plan, AgentPlace agent, StopWaiter& waiter, Locks locks,
                      const BackingOf& backing_of) {
    // Gives those that could not grow.
    auto perform = [&](const Steps& steps, Growth growth) -> Expected<Steps> {
        Batch batch(tid, tid, agent, waiter);
        Changes changes(batch, locks, backing_of);
        for (const auto* s : steps) changes.add(*s, growth);
        TRY(batch.run());
        Steps not_grown;
        for (const auto& [call, step] : changes.made()) {
            bool is_growth = growth == Growth::InPlace && step->what == RegionStep::Do::Grow;
            if (is_growth && batch.result(call) < 0)
                not_grown.push_back(step);
            else
                TRY(batch.check(call, fmt::format("change {:#x}-{:#x}", step->range.start, step->range.end).c_str()));
        }
        return not_grown;
    };
    Steps all = in_order(plan);
    for (auto next = all.begin(); next != all.end();) {
        auto end = next + std::min<ptrdiff_t>(kStepsAtOnce, all.end() - next);
        Steps steps(next, end);
        next = end;
        TRY_ASSIGN(Steps not_grown, perform(steps, Growth::InPlace));
        if (!not_grown.empty()) TRY(perform(not_grown, Growth::Anew));
    }
    return {};
}

}  // namespace pmi

#include "runtime/memory/region_plan.h"

#include <algorithm>

namespace pmi {
namespace {

const wire::Region* region_at(const wire::Image& image, uint64_t address) {
    auto it = std::upper_bound(image.regions().begin(), image.regions().end(), address,
                               [](uint64_t a, const wire::Region& r) { return a < r.start(); });
    if (it == image.regions().begin()) return nullptr;
    --it;
    return address < it->end() ? &*it : nullptr;
}

bool same_backing(const wire::Image& ia, const wire::Region& a, const wire::Image& ib, const wire::Region& b, uint64_t address) {
    if (a.kind() != b.kind()) return false;
    if (a.kind() != wire::Region::FILE) return a.shared() == b.shared();
    const auto& fa = ia.files(static_cast<int>(a.file()));
    const auto& fb = ib.files(static_cast<int>(b.file()));
    return a.shared() == b.shared() && fa.device() == fb.device() && fa.inode() == fb.inode() &&
           a.offset() + (address - a.start()) == b.offset() + (address - b.start());
}

// Is what the guest has at `start`, where home has nothing, a continuation of what home has just below it?
bool continues(const wire::Image& home, const wire::Image& guest, const RegionPlan& plan, uint64_t start) {
    const wire::Region *below = region_at(guest, start - 1), *here = region_at(guest, start);
    if (below == nullptr || !is_plain(*below) || !is_plain(*here)) return false;
    if (below->protection() != here->protection() || below->vm_flags() != here->vm_flags()) return false;
    bool has_just_grown =
        !plan.steps.empty() && plan.steps.back().what == RegionStep::Do::Grow && plan.steps.back().range.end == start;
    const wire::Region* kept = region_at(home, start - 1);
    return has_just_grown || (kept != nullptr && is_plain(*kept));
}

constexpr uint64_t kMostAtOnce = uint64_t{1} << 30;  // bytes, of what parts_of() is about

void add_step(RegionPlan& plan, RegionStep::Do what, uint64_t start, uint64_t end, const wire::Region* target) {
    if (!plan.steps.empty()) {
        RegionStep& last = plan.steps.back();
        bool is_one = last.what == what && last.range.end == start && last.target == target;
        if (is_one && end - last.range.start <= kMostAtOnce) {
            last.range.end = end;
            return;
        }
    }
    plan.steps.push_back({what, {start, end}, target});
}

}  // namespace

bool is_plain(const wire::Region& r) { return r.kind() == wire::Region::ANONYMOUS && !r.shared() && !r.grows_down(); }

std::vector<AddressRange> parts_of(const wire::Region& region) {
    bool is_accounted = has_vm_flag(region.vm_flags(), "ac") && !region.grows_down();
    if (!is_accounted || region.end() - region.start() <= kMostAtOnce) return {{region.start(), region.end()}};
    std::vector<AddressRange> parts;
    for (uint64_t at = region.start(); at < region.end(); at += kMostAtOnce)
        parts.push_back({at, std::min(region.end(), at + kMostAtOnce)});
    return parts;
}

namespace {

// Where anything of either begins or ends, by address.
std::vector<uint64_t> cuts_of(const wire::Image& home, const wire::Image& guest) {
    std::vector<uint64_t> cuts;
    for (const auto* image : {&home, &guest})
        for (const auto& r : image->regions())
            for (const auto& part : parts_of(r)) {
                cuts.push_back(part.start);
                cuts.push_back(part.end);
            }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    return cuts;
}

// The regions of an image at addresses that only grow.
class RegionsInOrder {
  public:
    explicit RegionsInOrder(const wire::Image& image) : next_(image.regions().begin()), end_(image.regions().end()) {}
    const wire::Region* at(uint64_t address) {
        while (next_ != end_ && next_->end() <= address) ++next_;
        return next_ != end_ && next_->start() <= address ? &*next_ : nullptr;
    }

  private:
    google::protobuf::RepeatedPtrField<wire::Region>::const_iterator next_, end_;
};

}  // namespace

RegionPlan plan_regions(const wire::Image& home, const wire::Image& guest) {
    auto cuts = cuts_of(home, guest);
    RegionsInOrder homes(home), guests(guest);
    RegionPlan plan;
    for (size_t i = 0; i + 1 < cuts.size(); i++) {
        uint64_t start = cuts[i], end = cuts[i + 1];
        const wire::Region* h = homes.at(start);
        const wire::Region* g = guests.at(start);
        bool kernel_code = (h && h->kind() == wire::Region::VDSO) || (g && g->kind() == wire::Region::VDSO);
        if (kernel_code || (!h && !g)) continue;
        if (!g) {
            add_step(plan, RegionStep::Do::Unmap, start, end, nullptr);
        } else if (!h && continues(home, guest, plan, start)) {
            add_step(plan, RegionStep::Do::Grow, start, end, g);
        } else if (!h || !same_backing(home, *h, guest, *g, start)) {
            add_step(plan, RegionStep::Do::Map, start, end, g);
            if (g->kind() == wire::Region::FILE) plan.whole.push_back({start, end});
        } else if (h->protection() != g->protection()) {
            add_step(plan, RegionStep::Do::Protect, start, end, g);
        }
        bool kept = h && g && h->vm_flags() != g->vm_flags() && same_backing(home, *h, guest, *g, start);
        bool lock_differs = kept && has_vm_flag(h->vm_flags(), "lo") != has_vm_flag(g->vm_flags(), "lo");
        if (kept && (lock_differs || !advice_of(g->vm_flags(), h->vm_flags()).empty())) {
            add_step(plan, RegionStep::Do::Advise, start, end, g);
            plan.steps.back().before = h->vm_flags();
        }
    }
    return plan;
}

}  // namespace pmi

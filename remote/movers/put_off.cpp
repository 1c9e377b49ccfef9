// Which pages may come when the program already runs at the destination, and which it had better have at once.
#include <sys/user.h>

#include <cstring>

#include "remote/movers/mover.h"

namespace pmi {

// A locked mapping is filled when it is locked there, which is before the program runs; for one that the kernel may drop it
// tells of no faults.
void put_off(const SendOrder& order, const wire::Region& r, PageSet& pages) {
    bool is_special = has_vm_flag(r.vm_flags(), "lo") || has_vm_flag(r.vm_flags(), "dp");
    bool can = order.later != nullptr && r.kind() == wire::Region::ANONYMOUS && !r.shared() && !is_special;
    if (!can) return;
    PageSet later({{r.start(), r.end()}});
    later.intersect(pages);
    later.subtract(order.at_once);
    pages.subtract(later);
    order.later->unite(later);
}

PageSet touched_at_once(const wire::Image& image) {
    std::vector<PageRun> runs;
    auto around = [&](uint64_t address, uint64_t before, uint64_t behind) {
        uint64_t page = address & ~(kPage - 1);
        if (address == 0 || page < before * kPage || page + (behind + 1) * kPage < page) return;
        runs.push_back({page - before * kPage, page + (behind + 1) * kPage});
    };
    for (const auto& t : image.threads()) {
        user_regs_struct r{};
        if (t.registers().size() != sizeof r) continue;
        std::memcpy(&r, t.registers().data(), sizeof r);
        around(r.rsp, 1, 2);
        around(r.rip, 0, 1);
        around(r.fs_base, 1, 1);
        around(t.rseq_address(), 0, 0);
        around(t.robust_list(), 0, 0);
        around(t.clear_child_tid(), 0, 0);
    }
    around(image.cpu_account(), 0, 0);
    return PageSet(std::move(runs));
}

}  // namespace pmi

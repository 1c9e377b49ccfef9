// Guard pages that a program makes while it is away (madvise(2) with MADV_GUARD_INSTALL; runtime/memory/guard_pages.h): natively,
// as long as they can be carried on.
#include <sys/syscall.h>

#include <algorithm>

#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/guard_pages.h"

namespace pmi {

Status GuestSupervisor::make_guards(GuestThread& t, const Row& row) {
    const GuestProcess& p = *t.process;
    const auto& a = t.notification->args;
    if (!tells_guard_pages() || !p.image.carries_guards()) return go_home(t, row.nr, "guard pages (MADV_GUARD_INSTALL)");
    // A page that is on its way would take the place of the mark.
    if (lacks_pages(p)) return when_all_are_there(t);
    TRY_ASSIGN(auto maps, read_maps(p.alive()));
    bool is_plain = std::none_of(maps.begin(), maps.end(), [&](const MapsEntry& m) {
        return m.start < a[0] + a[1] && a[0] < m.end && (m.shared || m.inode != 0);
    });
    return is_plain ? let_run(t) : go_home(t, row.nr, "guard pages in a mapped file or shared memory");
}

}  // namespace pmi

// Which pages of another process were written since they were last looked at, without its help and without privilege:
// a userfaultfd of its own in asynchronous write-protect mode (UFFD_FEATURE_WP_ASYNC, Linux 6.7), read by PAGEMAP_SCAN.
// The process makes the userfaultfd in an injected system call and closes it at once; this object has the only
// descriptor. The kernel itself keeps account through fork, mprotect and swapping, and of its own stores (read(2)).
//
// A mapping that was made, or moved, since follow() is not followed, and the kernel says so for each page of it. So
// whether a page is what it was never depends on addresses: it is *clean* if it is the process's own, of a mapping that
// has been followed all the time, and not written since take_written(). Pages that are given back (MADV_DONTNEED) are not
// the process's own any more.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/memory/pace.h"
#include "runtime/memory/page_set.h"
#include "runtime/tracee/injector.h"

namespace pmi {

class DirtyTracking {
  public:
    // What userfaultfd(2) is called with; it needs no privilege, and page faults of the kernel are followed all the same.
    static constexpr uint64_t kUserfaultfdFlags = 02000000 /* O_CLOEXEC */ | 04000 /* O_NONBLOCK */ | 1 /* UFFD_USER_MODE_ONLY */;

    // `tid`: a stopped thread with its signals blocked; `instruction`: a `syscall` in its memory.
    static Expected<DirtyTracking> start(pid_t pid, pid_t tid, uint64_t instruction, StopWaiter& waiter);
    // `uffd` was made by the process, with kUserfaultfdFlags.
    static Expected<DirtyTracking> adopt(pid_t tid, Fd uffd);
    // `uffd` is that of a UserFault with Track::Yes (userfault.h).
    static Expected<DirtyTracking> share(pid_t tid, Fd uffd);

    // Whether this kernel can do it, found out on memory of our own. The Error says what is missing.
    static Status probe();

    // From now on these are followed too; those that can't be (special mappings, ones that are gone) are left out.
    // A mapping that has grown since it was listed, at either end, or that stands in its place, is followed as a whole: from the
    // one of `used` before it up to the next (all that is mapped, by address), and those side by side in one call: to mremap(2) one
    // of which a part is followed is two, and it takes only one. Error: the process has ended, or runs another program.
    Status follow(const std::vector<PageRun>& mappings, const std::vector<PageRun>& used = {});
    // Own pages written since they were last taken; they count as clean from now on. Of followed mappings only.
    Expected<PageSet> take_written(const std::vector<PageRun>& mappings) const;
    // Changes nothing. Looks at what is behind each page (10 to 20 ms a GiB).
    struct Pages {
        PageSet own, clean;
    };
    Expected<Pages> look(const std::vector<PageRun>& mappings) const;
    // Pages of anonymous mappings that may have been written, given back or mapped anew since they were taken; what never was
    // populated is among them. All others are clean. Looks at page tables only (0.5 ms a GiB). Not for mappings of files: when a
    // file is cut off, pages vanish without a word.
    Expected<PageSet> touched(const std::vector<PageRun>& mappings) const;

    // Ends it piece by piece: closing the descriptor would hold up the process's page faults for as long as all of it
    // takes. False when nothing is left to be done.
    bool let_go_some();

  private:
    DirtyTracking(Fd uffd, Fd pagemap) : uffd_(std::move(uffd)), pagemap_(std::move(pagemap)) {}
    static Status try_moved(DirtyTracking& tracking, uint64_t to);
    static Status try_touched(DirtyTracking& tracking);
    Fd uffd_, pagemap_;
    PageSet followed_;
    Pace let_go_{4096};  // pages
};

}  // namespace pmi

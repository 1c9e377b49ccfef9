// Faults on pages that a process has not got yet, handled from outside: a userfaultfd(2) of that process in its mode for
// missing pages. Only one that may handle faults of the kernel too (read(2) into such a page, a signal's frame): with
// UFFD_USER_MODE_ONLY all of these would fail. A process in a user namespace has it from /dev/userfaultfd, which somebody
// outside has opened for it, or where vm.unprivileged_userfaultfd is 1.
//
// A mapping belongs to one userfaultfd. So the same one keeps account of what is written (dirty_tracking.h), and what is put in
// place counts as clean. What the process does to its mappings meanwhile is told too, before it goes on: pages that it has
// given back (madvise) or unmapped must not be put in place any more. Not told: mappings that move, which belong to nothing
// from then on, and a fork's, which does not inherit it.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/memory/page_set.h"

namespace pmi {

class UserFault {
  public:
    // /dev/userfaultfd, for a process to make its own from; none: it has to try userfaultfd(2).
    static Fd open_device();
    // What the process calls, in either case.
    static constexpr uint64_t kFlags = 02000000 /* O_CLOEXEC */ | 04000 /* O_NONBLOCK */;
    static constexpr uint64_t kMakeFromDevice = 0xaa00;  // USERFAULTFD_IOC_NEW, of ioctl(2)
    // Whether guests can have one here, and if not, why.
    static Status probe();

    enum class Track { No, Yes };  // what is written
    static Expected<UserFault> adopt(Fd uffd, Track track);
    Expected<Fd> duplicate() const;
    bool tracks() const { return track_ == Track::Yes; }
    int fd() const { return uffd_.get(); }  // readable: take_events() has something

    // From now on faults on pages that are missing there are told.
    Status handle(const PageRun& mapping);

    struct Event {
        enum class Kind { Missing, Gone } kind;
        uint64_t start, end;  // Missing: of one page
    };
    // Of a Gone the process does not go on before it has been taken. Nothing there: an empty list.
    Expected<std::vector<Event>> take_events();

    // Whole pages, from the front; who waits for them goes on. `code`: why not all of them. EAGAIN: its mappings are just changing,
    // which an event tells. EEXIST: the next page is there. ENOENT: it is in no mapping of ours. ESRCH: the process has ended.
    struct Placed {
        uint64_t bytes = 0;
        int code = 0;
    };
    Placed copy(uint64_t to, std::span<const std::byte> pages) const;
    Placed zero(uint64_t at, uint64_t size) const;
    void wake(uint64_t at, uint64_t size) const;
    // Who touches it gets SIGBUS, and EFAULT where the kernel does it.
    Placed poison(uint64_t at, uint64_t size) const;

  private:
    UserFault(Fd uffd, Track track) : uffd_(std::move(uffd)), track_(track) {}
    Fd uffd_;
    Track track_;
};

}  // namespace pmi

// The destination's end of a post-copy (page_server.h is the source's). The program runs here, and pages that it has not got yet
// come when it touches them, or are pushed. One thread reads the guest's userfaultfd (userfault.h), asks for what is needed, and
// puts it in place; another one, which stands back, puts in place what is pushed. Neither is the thread that reads and writes the
// guest's memory, for that one waits for pages too.
//
//   a page is missing, and on its list     it is asked for, with some that lie behind it where one after the other is touched; who
//                                          touched it waits
//   a page is missing, and on no list      nothing was there: zeros, and some more behind it
//   the program gives pages back, unmaps   they are off the list before its call returns
//   what comes and is not on the list      is ignored: it is there already, or not wanted any more
//
// When the push ends and pages are still missing, the rest is asked for.
//
// A page that can't be had any more: the guest is killed, and what is missing is poisoned, so that nobody ever sees anything else
// in its place, the supervisor, which may be reading it, included.
//
// It goes on when all pages are there, for as long as the guest is here: its mappings still tell of pages that are missing, since
// the kernel would have to forget which were written to stop that.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "remote/movers/page_lines.h"
#include "remote/wire/memory_frame.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/memory/page_bits.h"
#include "runtime/memory/userfault.h"

namespace pmi {

class PageFetcher {
  public:
    // `guest`: its pidfd.
    static Expected<std::unique_ptr<PageFetcher>> start(UserFault faults, Fd guest, PageLines lines);
    ~PageFetcher();

    // These pages, which are not there, are to come; `mappings` are those that they lie in. The guest stands still.
    Status expect(const PageSet& pages, const std::vector<PageRun>& mappings);

    // Readable once when all pages are there, or can't be had: take_news().
    int fd() const { return news_.get(); }
    void take_news();
    bool is_complete() const { return complete_; }
    // Why the guest was killed. Empty: its program has ended at home.
    std::optional<std::string> failure() const;
    // A descriptor of the same userfaultfd.
    Expected<Fd> tracker() const { return faults_.duplicate(); }
    bool tracks() const { return faults_.tracks(); }

  private:
    PageFetcher(UserFault faults, Fd guest, PageLines lines, Fd news, Fd wake)
        : faults_(std::move(faults)),
          guest_(std::move(guest)),
          lines_(std::move(lines)),
          news_(std::move(news)),
          wake_(std::move(wake)) {}
    void run();
    Status serve();
    Status wait_for_something();
    Expected<std::vector<UserFault::Event>> take_events();
    Status take_faults();
    Status take_answers();
    Status ask(uint64_t page);
    Status ask_for_rest();
    Status send_ask(const PageRun& run);
    Status fill_with_zeros(uint64_t page);
    enum class By { Demand, Push };
    // No bytes: zeros.
    Status put(By by, uint64_t where, uint64_t size, std::span<const std::byte> bytes);
    Expected<uint64_t> put_some(By by, uint64_t at, const PageRun& all, std::span<const std::byte> bytes);
    std::unique_lock<std::mutex> lock_list(By by);
    void end_if_complete();
    void take_all_pushed();
    Expected<bool> take_pushed();
    Status put_pushed(const StreamView& view);
    void give_up(const Error& why);
    Expected<bool> poison_some();
    void serve_the_dead();

    UserFault faults_;
    const Fd guest_;
    PageLines lines_;
    const Fd news_, wake_;
    std::atomic<bool> complete_{false}, stopping_{false};

    std::atomic<bool> is_urgent_{false};  // the first thread wants the lock
    mutable std::mutex mutex_;
    std::optional<std::string> failure_;  // under mutex_
    bool is_expected_ = false;            // under mutex_, as what follows: the supervisor fills it in
    PageBits missing_, unasked_;

    std::atomic<bool> push_ended_{false};
    std::optional<Error> push_failure_;  // under mutex_
    // The first thread's own.
    uint64_t next_in_line_ = 0;  // address that a program which goes from page to page would need next
    uint64_t ahead_ = 0;         // pages that are asked for behind one that is needed
    uint64_t rest_from_ = 0;     // address
    uint64_t asked_open_ = 0;    // pages of the rest that have been asked for and have not come
    bool ended_at_home_ = false;
    std::thread thread_, push_thread_;
};

}  // namespace pmi

#include "runtime/deputy/file_changes.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/deputy/mapped_file.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

// The time of the last write, stat(2). Descriptors with O_PATH are none that a lease or a file system minds.
class PolledChanges : public FileChanges {
  public:
    Expected<int> watch(int file, Tell what) override {
        if (what == Tell::ChangesAndOpening) return fail_code(EMFILE, "watch a mapped file (fs.inotify.max_user_instances)");
        Seen seen;
        seen.file.reset(::open(own_fd_link(file).c_str(), O_PATH | O_CLOEXEC));
        if (!seen.file.valid() || ::fstat(seen.file.get(), &seen.st) != 0) return fail_errno("look at a mapped file");
        seen_[next_] = std::move(seen);
        return next_--;
    }
    void forget(int number) override { seen_.erase(number); }
    void take(const std::function<void(const Change&)>& tell) override {
        for (auto& [number, seen] : seen_) {
            struct stat now {};
            if (::fstat(seen.file.get(), &now) != 0 || is_same(now, seen.st)) continue;
            seen.st = now;
            tell({number, true, false});
        }
    }
    int fd() const override { return -1; }

  private:
    struct Seen {
        Fd file;
        struct stat st {};
    };
    static bool is_same(const struct stat& a, const struct stat& b) {
        return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
    }
    std::map<int, Seen> seen_;
    int next_ = kAll - 1;  // downwards: apart from inotify's
};

// The kernel tells nothing of what is written by a memfd's own descriptors (FMODE_NONOTIFY, Linux 6.14).
bool is_never_told(int file) { return link_target(own_fd_link(file)).starts_with("/memfd:"); }

class NotifiedChanges : public FileChanges {
  public:
    explicit NotifiedChanges(Fd events) : events_(std::move(events)) {}

    Expected<int> watch(int file, Tell what) override {
        if (what == Tell::Changes && is_never_told(file)) return not_told_.watch(file, what);
        uint32_t mask = IN_MODIFY | IN_MASK_ADD | (what == Tell::ChangesAndOpening ? IN_OPEN : 0U);
        int number = ::inotify_add_watch(events_.get(), own_fd_link(file).c_str(), mask);
        if (number < 0) return fail_errno("watch a mapped file");
        return number;
    }
    void forget(int number) override {
        if (number < kAll) return not_told_.forget(number);
        ::inotify_rm_watch(events_.get(), number);
    }
    void take(const std::function<void(const Change&)>& tell) override {
        not_told_.take(tell);
        alignas(inotify_event) char buffer[4096];
        ssize_t n = 0;
        while ((n = ::read(events_.get(), buffer, sizeof buffer)) > 0) {
            for (char* at = buffer; at < buffer + n;) {
                const auto& event = *reinterpret_cast<inotify_event*>(at);
                bool lost_some = (event.mask & IN_Q_OVERFLOW) != 0;
                tell({lost_some ? kAll : event.wd, lost_some || (event.mask & IN_MODIFY) != 0, (event.mask & IN_OPEN) != 0});
                at += sizeof event + event.len;
            }
        }
    }
    int fd() const override { return events_.get(); }

  private:
    Fd events_;
    PolledChanges not_told_;
};

}  // namespace

std::unique_ptr<FileChanges> FileChanges::create() {
    Fd events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (events.valid()) return std::make_unique<NotifiedChanges>(std::move(events));
    spdlog::info("inotify: {}; mapped files are looked at instead", std::strerror(errno));
    return make_polled_changes();
}

std::unique_ptr<FileChanges> make_polled_changes() { return std::make_unique<PolledChanges>(); }

}  // namespace pmi

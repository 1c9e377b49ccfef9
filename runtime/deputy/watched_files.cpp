#include "runtime/deputy/watched_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/deputy/mapped_file.h"
#include "runtime/kernel/procfs.h"
#include "runtime/kernel/shared_memory.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/memory.h"

namespace pmi {
namespace {

constexpr int64_t kLookForNs = 1'000'000'000;  // after somebody has opened a file
constexpr int64_t kLookEveryNs = 100'000'000;

// Memory that has no file, and that nobody can open.
bool is_nameless(const std::string& name) {
    return name.starts_with("/dev/zero") || name.starts_with("/SYSV") || name.starts_with("/anon_hugepage");
}

constexpr uint64_t kMaxView = 4 << 20;  // bytes that the runs of one frame may be spread over

struct Use {
    bool shared = false, stored_in = false, is_private = false, is_code = false;
};
Use use_of(const wire::Image& image, uint32_t file) {
    Use use;
    for (const auto& r : image.regions()) {
        if (r.kind() != wire::Region::FILE || r.file() != file) continue;
        (r.shared() ? use.shared : use.is_private) = true;
        if (r.shared() && has_vm_flag(r.vm_flags(), "mw")) use.stored_in = true;
        if ((r.protection() & PROT_EXEC) != 0) use.is_code = true;
    }
    return use;
}

// Descriptors that a message carries (SCM_RIGHTS, unix(7)). What only looks like them does no harm: the program goes home.
std::vector<int> descriptors_in(const Call& call) {
    std::vector<int> found;
    for (const Piece& piece : call.in) {
        for (size_t at = 0; at + CMSG_LEN(sizeof(int)) <= piece.bytes.size(); at += sizeof(size_t)) {
            cmsghdr head{};
            std::memcpy(&head, piece.bytes.data() + at, sizeof head);
            bool is_one = head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS && head.cmsg_len >= CMSG_LEN(sizeof(int)) &&
                          head.cmsg_len <= piece.bytes.size() - at;
            if (!is_one) continue;
            std::vector<int> fds((head.cmsg_len - CMSG_LEN(0)) / sizeof(int));
            std::memcpy(fds.data(), piece.bytes.data() + at + CMSG_LEN(0), fds.size() * sizeof(int));
            found.insert(found.end(), fds.begin(), fds.end());
        }
    }
    return found;
}

// Who waits for these words here was to be woken by the program, which has woken those on its node. One too many does no harm:
// futex(2) has callers look again. Nobody moves data in pieces as small as locks are.
void wake_waiters(std::span<std::byte> stored) {
    constexpr size_t kLargestLock = 256;
    if (stored.size() > kLargestLock) return;
    auto first = reinterpret_cast<uintptr_t>(stored.data()) & ~uintptr_t{3};
    for (uintptr_t word = first; word < reinterpret_cast<uintptr_t>(stored.data()) + stored.size(); word += 4)
        (void)::syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

Status WatchedFiles::watch_image(HomePid pid, HomePid alive, wire::Image& image, const Reopen& reopen) {
    TRY_ASSIGN(auto fds, list_fds(alive.value));
    TRY(open_events());
    for (auto& file : *image.mutable_files()) {
        Use use = use_of(image, file.index());
        auto open = find_open(alive, fds, file);
        bool writes_itself = open && open->writable;
        if (is_nameless(file.name()) || (!use.shared && !writes_itself && use.is_code)) continue;
        Fd fd;
        if (use.stored_in && gate_ && gate_->wants_programs_own()) fd = open_own(alive, file, open, reopen);
        if (!fd.valid()) fd = open_mapped(alive, image, file, open, use.stored_in ? O_RDWR : O_RDONLY);
        bool usable = fd.valid() && (!use.stored_in || takes_writes(fd.get()));
        uint32_t number = 0;
        if (usable) {
            auto added = add(pid, std::move(fd), use.stored_in, &number);
            if (!added && use.stored_in) return fail("cantmove: {} ({})", added.error().message(), file.name());
        } else if (use.stored_in && (open || !file.name().ends_with(" (deleted)"))) {
            return fail("cantmove: it shares memory with a file that can't be written ({})", file.name());
        }
        // What is left has no name and no descriptor: nobody sees it but through the mapping.
        file.set_written_back(number);
    }
    return {};
}

Status WatchedFiles::watch_shared(HomePid pid, HomePid tid, int fd) {
    struct stat st {};
    int flags = read_fd_flags(tid.value, fd).value_or(-1);
    if (flags < 0 || ::stat(fd_link(tid, fd).c_str(), &st) != 0) return {};  // mmap itself will say EBADF
    if (!S_ISREG(st.st_mode)) return fail("a shared mapping of what is no file");
    if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) != 0) return {};
    bool writable = (flags & O_ACCMODE) == O_RDWR;
    MapsEntry ours = shared_mapping_of(st, fd_link(tid, fd), writable);
    if (auto sharer = find_sharer(pid.value, {ours})) return fail("a mapping of a file that PID {} maps too", sharer->pid);
    if (auto holder = find_holder(pid.value, {ours}))
        return fail("a shared mapping of a file of which PID {} has a descriptor", holder->pid);
    {
        std::lock_guard lock(mutex_);
        const File* known = find(pid, st);
        if (known != nullptr && (known->number != 0 || !writable)) return {};
    }
    TRY(open_events());
    Fd opened;
    if (writable && gate_ && gate_->wants_programs_own()) opened = take_own(tid, fd);
    if (!opened.valid()) opened.reset(::open(fd_link(tid, fd).c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC));
    if (!opened.valid() || (writable && !takes_writes(opened.get())))
        return fail("a shared mapping of a file that can't be written");
    uint32_t number = 0;
    return add(pid, std::move(opened), writable, &number);
}

void WatchedFiles::watch_private(HomePid pid, HomePid tid, int fd, bool is_code) {
    struct stat st {};
    if ((is_code && !is_writable(tid, fd)) || ::stat(fd_link(tid, fd).c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return;
    {
        std::lock_guard lock(mutex_);
        if (find(pid, st) != nullptr) return;
    }
    Fd opened(::open(fd_link(tid, fd).c_str(), O_RDONLY | O_CLOEXEC));
    uint32_t number = 0;
    if (opened.valid())
        if (auto added = add(pid, std::move(opened), false, &number); !added) spdlog::warn("{}", added.error().message());
}

bool WatchedFiles::is_writable(HomePid tid, int fd) { return (read_fd_flags(tid.value, fd).value_or(-1) & O_ACCMODE) == O_RDWR; }

uint32_t WatchedFiles::number_of(HomePid pid, HomePid tid, int fd) const {
    struct stat st {};
    if (::stat(fd_link(tid, fd).c_str(), &st) != 0) return 0;
    std::lock_guard lock(mutex_);
    const File* file = find(pid, st);
    return file == nullptr ? 0 : file->number;
}

Status WatchedFiles::open_events() {
    std::lock_guard lock(mutex_);
    if (changes_) return {};
    look_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!look_.valid()) return fail_errno("eventfd");
    changes_ = FileChanges::create();
    if (where_ == Programs::AtHome) return {};
    TRY_ASSIGN(gate_, OpenGate::create([this](pid_t opener, const struct stat& st) { return must_wait(opener, st); }));
    return {};
}

void WatchedFiles::note_holder(HomePid holder) {
    std::lock_guard lock(mutex_);
    bool any = std::any_of(files_.begin(), files_.end(), [&](const File& f) { return f.number != 0 && f.pid != holder; });
    if (!any) return;
    auto fds = list_fds(holder.value);
    if (!fds) return;
    for (const auto& fd : *fds) {
        struct stat st {};
        if (::stat(fd_link(holder, fd.fd).c_str(), &st) == 0) (void)take_home(st, holder);
    }
}

// Those that store in this file, but for who holds it. False: there are none.
bool WatchedFiles::take_home(const struct stat& st, HomePid holder) {
    bool any = false;
    for (auto& f : files_) {
        if (f.number == 0 || f.pid == holder || !same_file(f.identity, st)) continue;
        f.changed = any = true;
        look_soon(f, 0);
    }
    return any;
}

// The program itself may open what it maps.
bool WatchedFiles::must_wait(pid_t opener, const struct stat& st) {
    std::lock_guard lock(mutex_);
    return take_home(st, HomePid(opener));
}

Status WatchedFiles::add(HomePid pid, Fd fd, bool writable, uint32_t* number) {
    File file;
    file.pid = pid;
    file.fd = std::move(fd);
    if (::fstat(file.fd.get(), &file.identity) != 0) return fail_errno("stat a mapped file");
    TRY(open_events());
    std::lock_guard lock(mutex_);
    if (writable && gate_) {
        auto guarded = gate_->guard(file.fd.get());
        bool others_can_open = file.identity.st_nlink > 0;
        if (!guarded && others_can_open) return fail("it stores in a file that others can open: {}", guarded.error().message());
    }
    auto told = writable ? FileChanges::Tell::ChangesAndOpening : FileChanges::Tell::Changes;
    TRY_ASSIGN(file.watch, changes_->watch(file.fd.get(), told));
    if (writable) file.number = next_number_++;
    // Others may have opened it before.
    if (writable) look_soon(file, kLookEveryNs);
    *number = file.number;
    if (!gate_) file.fd.reset();  // of programs that are at home: whoever guards the file would take it for somebody else's
    files_.push_back(std::move(file));
    return {};
}

// The one that is written back, where there are two.
const WatchedFiles::File* WatchedFiles::find(HomePid pid, const struct stat& st) const {
    const File* found = nullptr;
    for (const auto& f : files_)
        if (f.pid == pid && same_file(f.identity, st) && (found == nullptr || f.number != 0)) found = &f;
    return found;
}

void WatchedFiles::inherit(HomePid parent, HomePid child) {
    std::lock_guard lock(mutex_);
    std::list<File> inherited;
    for (const auto& f : files_) {
        if (f.pid != parent) continue;
        File copy;
        copy.pid = child;
        copy.fd.reset(::fcntl(f.fd.get(), F_DUPFD_CLOEXEC, 3));
        copy.identity = f.identity;
        copy.watch = f.watch;
        copy.changed = f.changed;
        if (copy.fd.valid()) inherited.push_back(std::move(copy));
    }
    files_.splice(files_.end(), inherited);
}

void WatchedFiles::forget(HomePid pid) {
    std::lock_guard lock(mutex_);
    std::set<int> unused;
    std::list<File> gone;
    for (auto it = files_.begin(); it != files_.end();) {
        auto next = std::next(it);
        if (it->pid == pid) gone.splice(gone.end(), files_, it);
        it = next;
    }
    for (const auto& f : gone) {
        unused.insert(f.watch);
        if (f.number != 0 && gate_) unguard(f);
    }
    for (const auto& f : files_) unused.erase(f.watch);
    for (int watch : unused) changes_->forget(watch);
    awaited_.erase(pid);
}

// For the others that store in it, if there are any, it is guarded again.
void WatchedFiles::unguard(const File& file) {
    gate_->unguard(file.fd.get());
    for (auto& f : files_)
        if (f.number != 0 && same_file(f.identity, file.identity) && !gate_->guard(f.fd.get())) f.changed = true;
}

int WatchedFiles::fd() const {
    std::lock_guard lock(mutex_);
    return changes_ ? changes_->fd() : -1;
}

void WatchedFiles::note_change(const FileChanges::Change& change) {
    for (auto& f : files_) {
        if (change.number != FileChanges::kAll && f.watch != change.number) continue;
        if (change.changed) f.changed = true;
        if (f.number != 0 && change.opened) look_soon(f, kLookForNs);
    }
}

void WatchedFiles::look_soon(File& file, int64_t for_ns) {
    file.look_until_ns = monotonic_ns() + for_ns;
    uint64_t one = 1;
    (void)!::write(look_.get(), &one, sizeof one);
}

int WatchedFiles::look_fd() const {
    std::lock_guard lock(mutex_);
    return look_.get();
}

int64_t WatchedFiles::next_look_ns() const {
    std::lock_guard lock(mutex_);
    int64_t now = monotonic_ns();
    bool is_asked = changes_ && changes_->fd() < 0;
    bool any =
        std::any_of(files_.begin(), files_.end(), [&](const File& f) { return !f.changed && (is_asked || f.look_until_ns > now); });
    return any ? looked_ns_ + kLookEveryNs : INT64_MAX;
}

void WatchedFiles::look_for_sharers() {
    int64_t now = monotonic_ns();
    uint64_t count = 0;
    (void)!::read(look_fd(), &count, sizeof count);
    if (next_look_ns() > now) return;
    std::vector<std::pair<HomePid, MapsEntry>> opened;
    {
        std::lock_guard lock(mutex_);
        looked_ns_ = now;
        for (const auto& f : files_)
            if (f.look_until_ns > now) opened.emplace_back(f.pid, shared_mapping_of(f.identity, own_fd_link(f.fd.get()), true));
    }
    // Not under the lock: calls wait for it.
    for (const auto& [pid, mapping] : opened) {
        if (!find_sharer(pid.value, {mapping})) continue;
        std::lock_guard lock(mutex_);
        for (auto& f : files_)
            if (f.pid == pid && f.identity.st_ino == mapping.inode) f.changed = true;
    }
}

bool WatchedFiles::changed(HomePid pid) {
    std::lock_guard lock(mutex_);
    if (changes_) changes_->take([this](const FileChanges::Change& change) { note_change(change); });
    return std::any_of(files_.begin(), files_.end(), [&](const File& f) { return f.pid == pid && f.changed; });
}

// These go home at once: most would have it go home afterwards anyway, and some mind that the deputy still has its
// mapping.
bool WatchedFiles::would_change(HomePid pid, HomePid tid, const Call& call) const {
    if (!has_stores(pid)) return false;
    size_t arg = 0;
    switch (call.nr) {
        case SYS_sendmsg:
        case SYS_sendmmsg: {
            auto fds = descriptors_in(call);
            return std::any_of(fds.begin(), fds.end(), [&](int fd) { return number_of(pid, tid, fd) != 0; });
        }
        case SYS_write:
        case SYS_pwrite64:
        case SYS_writev:
        case SYS_pwritev:
        case SYS_pwritev2:
        case SYS_ftruncate:
        case SYS_fallocate:
        case SYS_ioctl:
        case SYS_sendfile: break;
        case SYS_fcntl:
            if (call.args[1] != F_ADD_SEALS && call.args[1] != F_SETLEASE) return false;
            break;
        case SYS_splice:
        case SYS_copy_file_range: arg = 2; break;
        default: return false;
    }
    return number_of(pid, tid, static_cast<int>(call.args[arg])) != 0;
}

Status WatchedFiles::write_back(uint32_t number, std::span<const FileRun> runs, std::span<const std::byte> bytes) {
    std::lock_guard lock(mutex_);
    auto it = std::find_if(files_.begin(), files_.end(), [&](const File& f) { return number != 0 && f.number == number; });
    if (it == files_.end()) return fail("stores in a file that is not mapped");
    auto stored = store(*it, runs, bytes);
    if (!stored && !std::exchange(it->lost, true)) {
        std::string file = link_target(own_fd_link(it->fd.get()));
        constexpr const char* kText = "what it has stored in {} is lost, for which there is no room (or a quota): {}";
        lost_.push_back({it->pid, fmt::format(kText, file, stored.error().message())});
    }
    return stored;
}

Status WatchedFiles::store(const File& file, std::span<const FileRun> runs, std::span<const std::byte> bytes) {
    struct stat now {};
    if (::fstat(file.fd.get(), &now) != 0) return fail_errno("stat a mapped file");
    auto size = static_cast<uint64_t>(now.st_size);
    uint64_t start = runs.empty() ? 0 : runs.front().offset & ~(kPage - 1);
    Mapping view;
    RemoteMemory self(::getpid());
    for (const auto& run : runs) {
        if (run.offset < start || run.size > bytes.size()) return fail("runs of a file that are out of order");
        auto part = bytes.first(run.size);
        bytes = bytes.subspan(run.size);
        // Stores behind the end, in the last page or in what was cut off meanwhile, are not the file's.
        if (run.offset >= size) continue;
        part = part.first(std::min<uint64_t>(run.size, size - run.offset));
        if (view.data() == nullptr) {
            uint64_t length = std::min(kMaxView, size - start);
            void* base = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd.get(), static_cast<off_t>(start));
            if (base == MAP_FAILED) return fail_errno("map a file to write to it");
            view = Mapping(base, length);
        }
        if (run.offset - start + part.size() > view.size()) return fail("runs of a file that are far from each other");
        // Through the kernel: where the file ends early, or its disk is full, this is an error and no SIGBUS.
        TRY(self.write(reinterpret_cast<uint64_t>(view.data()) + (run.offset - start), part));
        wake_waiters(std::span(view.data() + (run.offset - start), part.size()));
    }
    return {};
}

std::vector<WatchedFiles::LostStores> WatchedFiles::take_lost() {
    std::lock_guard lock(mutex_);
    return std::exchange(lost_, {});
}

bool WatchedFiles::has_lost(HomePid pid) const {
    std::lock_guard lock(mutex_);
    return std::any_of(files_.begin(), files_.end(), [&](const File& f) { return f.pid == pid && f.lost; });
}

bool WatchedFiles::has_stores(HomePid pid) const {
    std::lock_guard lock(mutex_);
    return std::any_of(files_.begin(), files_.end(), [&](const File& f) { return f.pid == pid && f.number != 0; });
}

void WatchedFiles::expect_flush(HomePid pid) {
    std::lock_guard lock(mutex_);
    awaited_.insert(pid);
}

void WatchedFiles::note_flushed(HomePid pid) {
    std::lock_guard lock(mutex_);
    awaited_.erase(pid);
    flushed_.notify_all();
}

Status WatchedFiles::wait_flushed(HomePid pid, int timeout_ms) {
    std::unique_lock lock(mutex_);
    if (flushed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return !awaited_.contains(pid); })) return {};
    awaited_.erase(pid);
    return fail_code(ETIMEDOUT, "the node does not send what the program has stored in files");
}

}  // namespace pmi

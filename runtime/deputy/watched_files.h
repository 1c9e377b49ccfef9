// Files that a program maps while it is away. What it stores in a shared mapping comes home before each of its calls
// and is written into the file here; a file that anybody changes here takes the program home. So a program sees no
// difference between the mapping and the file, whoever reads or writes it, as far as it can tell by its calls. Another process
// that maps the file takes the program home too, and who waits there on a futex in it is woken by what is stored.
// Changes are told by inotify(7) (file_changes.h), which says nothing of stores through mappings: so that is how stores are written
// back. Nor of being mapped: whoever wants to has to open the file first, and waits then for the program to be home (open_gate.h).
// All methods are thread-safe.
#pragma once
#include <sys/stat.h>

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "interpose/marshal/call.h"
#include "remote/wire/frames.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/base/ids.h"
#include "runtime/deputy/file_changes.h"
#include "runtime/deputy/mapped_file.h"
#include "runtime/deputy/open_gate.h"

namespace pmi {

class WatchedFiles {
  public:
    // Of programs that are still at home nobody has to wait for.
    enum class Programs { Away, AtHome };
    explicit WatchedFiles(Programs where = Programs::Away) : where_(where) {}
    ~WatchedFiles() { gate_.reset(); }  // its thread asks

    // The files that the regions of a program map that is about to leave; `alive`: a thread that has them. Those that it can store
    // in are given numbers (image.files.written_back). `reopen`: see mapped_file.h. Error: it can't leave.
    Status watch_image(HomePid pid, HomePid alive, wire::Image& image, const Reopen& reopen = cant_reopen);
    static Expected<Fd> cant_reopen(const wire::MappedFile&, const std::string&) {
        return fail("it is not to be stopped for that");
    }
    // The file of a descriptor, which is going to be mapped. Error: not from another node.
    Status watch_shared(HomePid pid, HomePid tid, int fd);
    // The same for a private mapping. Code that the program can't write to itself is left out: nobody writes to it, it is replaced.
    void watch_private(HomePid pid, HomePid tid, int fd, bool is_code);
    // The number of the file of a descriptor, 0: stores in it are not written back.
    uint32_t number_of(HomePid pid, HomePid tid, int fd) const;
    static bool is_writable(HomePid tid, int fd);
    void inherit(HomePid parent, HomePid child);
    void forget(HomePid pid);

    // Becomes readable when a file has been changed; -1: none is watched, or next_look_ns() says when changed() is to be asked.
    int fd() const;
    // The same when look_for_sharers() has something to do, whoever has noticed it.
    int look_fd() const;
    // Has a file that pid maps been changed here? Once so, until it is forgotten.
    bool changed(HomePid pid);
    // Looks for other processes that map a file that a program stores in; has them count as a change. From time to time, for a
    // while after it has been mapped or opened: next_look_ns() (CLOCK_MONOTONIC) says when. One thread.
    void look_for_sharers();
    int64_t next_look_ns() const;  // INT64_MAX: no need
    // A process that has just been given its descriptors: if it has such a file among them, it may map it without opening it, and
    // that counts as a change.
    void note_holder(HomePid holder);
    // Would this call change, by a descriptor, a file that pid stores in, or give somebody else its descriptor?
    bool would_change(HomePid pid, HomePid tid, const Call& call) const;

    // What the guest has stored: the bytes of all runs, which are in order and near each other. Where home's kernel does not
    // take them (a full disk, a quota) it would not have taken the store either: take_lost() says so once a file.
    Status write_back(uint32_t number, std::span<const FileRun> runs, std::span<const std::byte> bytes);
    struct LostStores {
        HomePid pid;
        std::string why;
    };
    std::vector<LostStores> take_lost();
    bool has_lost(HomePid pid) const;
    // Waiting for the last stores of a program: expect, ask its node, wait.
    bool has_stores(HomePid pid) const;
    void expect_flush(HomePid pid);
    void note_flushed(HomePid pid);
    Status wait_flushed(HomePid pid, int timeout_ms);

  private:
    struct File {
        HomePid pid;
        Fd fd;
        struct stat identity {};
        uint32_t number = 0;  // 0: only watched
        int watch = -1;
        bool changed = false;
        int64_t look_until_ns = 0;  // whether others map it
        bool lost = false;          // some of what was stored in it
    };
    static Status store(const File& file, std::span<const FileRun> runs, std::span<const std::byte> bytes);
    Status add(HomePid pid, Fd fd, bool writable, uint32_t* number);
    void note_change(const FileChanges::Change& change);
    void look_soon(File& file, int64_t for_ns);
    Status open_events();
    bool must_wait(pid_t opener, const struct stat& st);
    void unguard(const File& file);
    bool take_home(const struct stat& st, HomePid holder);
    const File* find(HomePid pid, const struct stat& st) const;

    const Programs where_;
    mutable std::mutex mutex_;
    std::condition_variable flushed_;
    std::unique_ptr<FileChanges> changes_;
    Fd look_;                         // eventfd
    std::unique_ptr<OpenGate> gate_;  // null: of programs that are at home
    std::list<File> files_;
    std::set<HomePid> awaited_;
    std::vector<LostStores> lost_;  // to be told
    uint32_t next_number_ = 1;
    int64_t looked_ns_ = 0;
};

}  // namespace pmi

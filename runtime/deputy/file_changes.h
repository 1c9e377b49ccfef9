// Tells of files that anybody changes or opens. Not thread-safe.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/base/error.h"

namespace pmi {

class FileChanges {
  public:
    // By inotify(7), where the kernel tells of the file. A user may have 128 of these at a time (fs.inotify.max_user_instances),
    // and others have some too: where there is none left, by looking at the files.
    static std::unique_ptr<FileChanges> create();
    virtual ~FileChanges() = default;

    // `file`: a descriptor, which may be closed afterwards. Gives a number, which may be that of another descriptor of the same
    // file. Error EMFILE: to tell of opening it, another instance of inotify would be needed.
    enum class Tell { Changes, ChangesAndOpening };
    virtual Expected<int> watch(int file, Tell what) = 0;
    virtual void forget(int number) = 0;

    struct Change {
        int number = kAll;
        bool changed = false, opened = false;
    };
    static constexpr int kAll = -1;  // any of them: some were not noticed
    virtual void take(const std::function<void(const Change&)>& tell) = 0;
    // Readable when there is something to take, but of memfds; -1: it has to be asked.
    virtual int fd() const = 0;
};

std::unique_ptr<FileChanges> make_polled_changes();  // the second way

}  // namespace pmi

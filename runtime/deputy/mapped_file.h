// The file behind a mapping of another process: which descriptor it has of it, if any, and how to open it ourselves.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "remote/movers/mover.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/base/ids.h"
#include "runtime/kernel/procfs.h"

namespace pmi {

std::string fd_link(HomePid tid, int fd);  // in /proc
std::string own_fd_link(int fd);           // the same of a descriptor of this process

// A descriptor of the program's that is open on a file that it maps; a writable one, if it has one.
struct OpenFile {
    int fd = -1;
    bool writable = false;
};
std::optional<OpenFile> find_open(HomePid alive, const std::vector<FdEntry>& fds, const wire::MappedFile& file);

// With an open file description of our own: another position, other flags. Invalid: it can't be opened with `flags` (O_*).
Fd open_mapped(HomePid alive, const wire::Image& image, const wire::MappedFile& file, const std::optional<OpenFile>& open,
               int flags);

// With the open file description that the program itself has, if it can be stored through as through a mapping; its position is
// not to be used. Invalid: it is open otherwise, or not at all.
Fd take_own(HomePid tid, int fd);
// The same of a file that it maps. Where it has no descriptor of it `reopen` maps the file at `path`, as the program sees it, anew.
using Reopen = std::function<Expected<Fd>(const wire::MappedFile& file, const std::string& path)>;
Fd open_own(HomePid alive, const wire::MappedFile& file, const std::optional<OpenFile>& open, const Reopen& reopen);

// Reads the files that a process maps, not through its mappings; each is opened when it is first wanted. For SendOrder::file_page.
// `image`: its regions and files, which have to live as long.
ReadFilePage reader_of_files(HomePid alive, const wire::Image& image);

// A sealed memfd takes stores, but no write(2).
bool takes_writes(int fd);

}  // namespace pmi

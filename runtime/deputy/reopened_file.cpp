#include "runtime/deputy/reopened_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/kernel/descriptor_copy.h"
#include "runtime/memory/regions.h"

namespace pmi {
namespace {

Expected<int> open_there(pid_t tid, AgentPlace place, StopWaiter& waiter, const std::string& path) {
    Batch batch(tid, tid, place, waiter);
    uint64_t name = batch.data(path.c_str(), path.size() + 1);
    size_t opened = batch.call(SYS_openat, static_cast<uint64_t>(AT_FDCWD), name, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    TRY(batch.run());
    TRY(batch.check(opened, "open a mapped file"));
    return static_cast<int>(batch.result(opened));
}

Status map_and_close(pid_t tid, AgentPlace place, StopWaiter& waiter, const std::vector<const wire::Region*>& regions, int fd) {
    Batch batch(tid, tid, place, waiter);
    std::vector<size_t> mapped;
    for (const auto* r : regions) {
        uint64_t size = r->end() - r->start();
        uint64_t flags = MAP_SHARED | MAP_FIXED | (has_vm_flag(r->vm_flags(), "nr") ? MAP_NORESERVE : 0U);
        mapped.push_back(batch.call(SYS_mmap, r->start(), size, r->protection(), flags, static_cast<uint64_t>(fd), r->offset()));
        if (has_vm_flag(r->vm_flags(), "lo")) batch.call(SYS_mlock, r->start(), size);
        for (int advice : advice_of(r->vm_flags())) batch.call(SYS_madvise, r->start(), size, static_cast<uint64_t>(advice));
    }
    batch.call(SYS_close, static_cast<uint64_t>(fd));
    TRY(batch.run());
    for (size_t call : mapped) TRY(batch.check(call, "map a file anew"));
    return {};
}

}  // namespace

Expected<Fd> reopen_mapped(pid_t tid, AgentPlace place, StopWaiter& waiter, const wire::Image& image, const wire::MappedFile& file,
                           const std::string& path) {
    constexpr size_t kMostRegions = 64;
    std::vector<const wire::Region*> regions;
    for (const auto& r : image.regions())
        if (r.kind() == wire::Region::FILE && r.shared() && r.file() == file.index()) regions.push_back(&r);
    if (regions.size() > kMostRegions) return fail("{} mappings of one file", regions.size());
    TRY_ASSIGN(int there, open_there(tid, place, waiter, path));
    Fd ours = copy_of_fd(tid, there);
    struct stat st {};
    bool is_it = ours.valid() && ::fstat(ours.get(), &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == file.inode();
    TRY(map_and_close(tid, place, waiter, is_it ? regions : std::vector<const wire::Region*>(), there));
    if (!is_it) return fail("{} is not the file that is mapped", path);
    return ours;
}

}  // namespace pmi

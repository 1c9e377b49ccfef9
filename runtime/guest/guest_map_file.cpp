// Mappings of files. mmap while away: home maps the file at the same address into its skeleton (so that the address space
// keeps its file there, and all of Linux's checks are made), and sends back what the mapping shows; here the
// program gets the file's twin.
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/guest/guest_memory_access.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/guest/shown_file.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

constexpr uint64_t kMaxMapped = 192ull << 20;  // bytes that fit in one reply

// 0: its call has none yet.
uint64_t take_reservation(GuestThread& t) {
    auto& all = t.reserved_for_maps;
    auto it = std::find_if(all.begin(), all.end(), [&](const auto& r) { return r.args == t.notification->args; });
    if (it == all.end()) return 0;
    uint64_t place = it->place;
    all.erase(it);
    return place;
}

}  // namespace

Status GuestSupervisor::map_file(GuestThread& t, const Row& row) {
    const auto& a = t.notification->args;
    uint64_t flags = a[3];
    bool is_shared = (flags & MAP_TYPE) != MAP_PRIVATE;
    if (flags & MAP_HUGETLB) return go_home(t, row.nr, "huge pages of hugetlbfs");
    if (flags & MAP_ANONYMOUS) return is_shared ? go_home(t, row.nr, "shared anonymous memory") : let_run(t);
    if (a[1] > kMaxMapped) return go_home(t, row.nr, "a mapping of a very large file");
    if (flags & MAP_GROWSDOWN) return go_home(t, row.nr, "an unusual mapping of a file");
    if (a[1] == 0) return answer(t, -EINVAL);
    // The guest's own kernel chooses the place: the thread is stopped, its call cancelled, the place reserved; then
    // the call is issued again and comes by here once more. With a place it has been watched before.
    if (uint64_t place = take_reservation(t)) return map_at_home(t, row, place, true);
    if (is_shared && !std::exchange(t.file_watched, false)) return watch_file(t);
    bool is_fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
    if (is_fixed && !(flags & MAP_FIXED_NOREPLACE)) return map_at_home(t, row, a[0], false);
    return reserve_then_map(t);
}

// Home keeps an eye on the file, or takes the program home.
Status GuestSupervisor::watch_file(GuestThread& t) {
    Flattened f;
    f.call.nr = SYS_mmap;
    f.call.args = {t.notification->args[4], 0, 0, 0, 0, 0};
    return forward_call(t, nullptr, CallKind::WatchFile, std::move(f), [this, &t](const Reply& reply, const Flattened&) -> Status {
        if (reply.result < 0) return finish(t, reply.result);
        t.file_watched = true;
        return dispatch(t);
    });
}

Status GuestSupervisor::reserve_then_map(GuestThread& t) {
    Notification asked = *t.notification;
    TRY(stop_then(t, [this, &t, asked]() -> Status {
        TRY_ASSIGN(Registers saved, get_registers(t.outer));
        uint64_t flags =
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (asked.args[3] & MAP_FIXED_NOREPLACE) | (asked.args[3] & MAP_32BIT);
        int64_t got = 0;
        TRY(inject(t, [&](const CallThere& call) -> Status {
            TRY_ASSIGN(got, call(SYS_mmap, {asked.args[0], asked.args[1], PROT_NONE, flags, static_cast<uint64_t>(-1), 0}));
            return {};
        }));
        Registers again = saved;
        if (got < 0) {
            again.rax = static_cast<uint64_t>(got);
            again.orig_rax = static_cast<uint64_t>(-1);
            TRY(set_registers(t.outer, again));
            return go_on(t);
        }
        t.reserved_for_maps.push_back({asked.args, static_cast<uint64_t>(got)});
        TRY(set_registers(t.outer, saved));
        return go_on(t);
    }));
    return give(t, kErestartNoIntr);
}

Status GuestSupervisor::map_at_home(GuestThread& t, const Row& row, uint64_t address, bool reserved) {
    const auto& a = t.notification->args;
    Flattened f;
    f.call.nr = row.nr;
    uint64_t flags = (a[3] & ~uint64_t{MAP_FIXED_NOREPLACE | MAP_POPULATE | MAP_32BIT}) | MAP_FIXED;
    f.call.args = {address, a[1], a[2], flags, a[4], a[5]};
    return forward_call(t, nullptr, CallKind::MapFile, std::move(f),
                        [this, &t, address, reserved](const Reply& reply, const Flattened&) -> Status {
                            if (reply.result < 0 && reply.result >= -4095) {
                                if (!reserved) return finish(t, reply.result);
                                return unmap_and_finish(t, address, reply.result);
                            }
                            return map_here(t, address, reply);
                        });
}

// Home refused: the reservation goes, and the program gets home's error.
Status GuestSupervisor::unmap_and_finish(GuestThread& t, uint64_t address, int64_t result) {
    uint64_t size = t.notification->args[1];
    TRY(stop_then(t, [this, &t, address, size, result]() -> Status {
        TRY(inject(t, [&](const CallThere& call) -> Status {
            TRY(call(SYS_munmap, {address, size, 0, 0, 0, 0}));
            return {};
        }));
        return go_on_with(t, result);
    }));
    return give(t, kErestartNoIntr);
}

Status GuestSupervisor::map_here(GuestThread& t, uint64_t address, const Reply& reply) {
    const auto& a = t.notification->args;
    MapFileInfo info{};
    if (reply.out.empty() || reply.out[0].bytes.size() < sizeof info) return fail("home's answer to a mapping is too short");
    std::memcpy(&info, reply.out[0].bytes.data(), sizeof info);
    info.name[sizeof info.name - 1] = '\0';
    auto contents = reply.out[0].bytes.subspan(sizeof info);
    if (contents.size() == info.shown) return map_twin(t, address, info, contents);
    if (!contents.empty() || info.shown > kMaxMapped || info.shown % kStoredPage != 0)
        return fail("home's answer to a mapping has {} bytes of {}", contents.size(), info.shown);
    OwnFiles* own = parts_.files ? &*parts_.files : nullptr;
    return compare_then_map(t, address, std::make_shared<ShownFile>(twins_, own, t.process->pid, info, a[5]));
}

// A file of this machine changes at most once while home is asked.
Status GuestSupervisor::compare_then_map(GuestThread& t, uint64_t address, const std::shared_ptr<ShownFile>& file) {
    Flattened f;
    f.call.nr = SYS_mmap;
    f.call.args = {address, file->info().shown, 0, 0, 0, 0};
    TRY_ASSIGN(ByteBuffer question, file->question());
    f.call.arena_size = static_cast<uint32_t>(question.size());
    f.call.put_in(0, std::move(question));
    return forward_call(t, nullptr, CallKind::CompareFile, std::move(f),
                        [this, &t, address, file](const Reply& reply, const Flattened&) -> Status {
                            if (reply.out.empty()) return fail("home's answer about a mapped file is empty");
                            TRY_ASSIGN(bool is_all, file->take(reply.out[0].bytes));
                            return is_all ? map_twin(t, address, file->info(), {}) : compare_then_map(t, address, file);
                        });
}

Status GuestSupervisor::map_twin(GuestThread& t, uint64_t address, const MapFileInfo& info, std::span<const std::byte> contents) {
    const auto a = t.notification->args;
    bool is_shared = (a[3] & MAP_TYPE) != MAP_PRIVATE;
    bool may_store = is_shared && info.writable != 0;
    if (may_store) t.process->stores_in_files = true;
    TRY_ASSIGN(int twin, twins_.load(t.process->pid, info, a[5], contents, is_shared && !may_store));
    TRY_ASSIGN(int guest_fd, listener_->add_fd(t.notification->id, twin));
    TRY(stop_then(t, [this, &t, a, address, guest_fd]() -> Status {
        uint64_t flags = ((a[3] & MAP_TYPE) == MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED | (a[3] & MAP_NORESERVE);
        int64_t got = 0;
        TRY(inject(t, [&](const CallThere& call) -> Status {
            TRY_ASSIGN(got, call(SYS_mmap, {address, a[1], a[2], flags, static_cast<uint64_t>(guest_fd), a[5]}));
            TRY(call(SYS_close, {static_cast<uint64_t>(guest_fd), 0, 0, 0, 0, 0}));
            return {};
        }));
        return go_on_with(t, got);
    }));
    return give(t, kErestartNoIntr);
}

// What the program stored in files goes home: before whatever could tell others of it.
Status GuestSupervisor::flush_files() {
    if (!twins_.has_stores()) return {};
    return twins_.take_changes([this](uint32_t number, std::span<const FileRun> runs, std::span<const std::byte> bytes) {
        FileChangesHead head{number, static_cast<uint32_t>(runs.size())};
        std::vector<std::byte> body;
        auto add = [&](std::span<const std::byte> part) { body.insert(body.end(), part.begin(), part.end()); };
        add(std::as_bytes(runs));
        add(bytes);
        return parts_.channel->send(static_cast<uint8_t>(FrameType::FileChanges), head_bytes(head), body);
    });
}

Status GuestSupervisor::answer_flush(HomePid pid) {
    TRY(flush_files());
    return parts_.channel->send(static_cast<uint8_t>(FrameType::Flushed), head_bytes(ProcessHead{pid.value}));
}

// The deputy's mapping of the file is where the guest's is: its msync sees to the disk. The guest's own knows best of
// errors.
Status GuestSupervisor::sync_memory(GuestThread& t, const Row& row) {
    if (!t.process->stores_in_files) return let_run(t);
    return forward(t, row, CallKind::Plain, [this, &t](const Reply& reply, const Flattened&) {
        return reply.result == 0 ? let_run(t) : go_home(t, SYS_msync, "msync of what is mapped otherwise at home");
    });
}

}  // namespace pmi

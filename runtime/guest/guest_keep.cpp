// What stays on the node when a program has gone on: its pages, and those of the files that it had mapped, for when it, or
// another program of this user, comes here (page_store.h). It has what it needs elsewhere by then, and nobody waits.
#include <unistd.h>

#include "runtime/base/byte_buffer.h"
#include "runtime/base/log.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/memory_info.h"
#include "runtime/memory/pages.h"

namespace pmi {
namespace {

constexpr size_t kAtOnce = 64 << 10;  // memory that the heap has at hand: fresh pages cost more than the calls

void put_all(PageStore& store, std::span<const std::byte> bytes) {
    for (size_t at = 0; at + kStoredPage <= bytes.size(); at += kStoredPage)
        if (auto page = bytes.subspan(at, kStoredPage); !is_zero(page)) store.put(page);
}

// The parts of a memfd that hold something.
void put_file(PageStore& store, int fd, std::span<std::byte> buffer) {
    for (off_t at = 0; (at = ::lseek(fd, at, SEEK_DATA)) >= 0;) {
        off_t end = ::lseek(fd, at, SEEK_HOLE);
        while (at < end) {
            ssize_t n = ::pread(fd, buffer.data(), std::min<size_t>(buffer.size(), static_cast<size_t>(end - at)), at);
            if (n <= 0) return;
            // What a file's last page has behind the file's end are zeros.
            auto size = static_cast<size_t>(n), whole = (size + kStoredPage - 1) / kStoredPage * kStoredPage;
            std::fill(buffer.begin() + n, buffer.begin() + static_cast<ssize_t>(whole), std::byte{0});
            put_all(store, buffer.first(whole));
            at += n;
        }
    }
}

}  // namespace

void GuestSupervisor::keep_pages(const GuestProcess& p) {
    // Others are still running here, and would have to wait.
    if (!parts_.pages || !departing_ || processes_.size() > 1) return;
    if (is_memory_short()) return spdlog::info("process {}: its pages are not kept: memory is short", p.pid.value);
    RemoteMemory memory(p.alive());
    auto map = PageMap::open(p.alive());
    ByteBuffer buffer(kAtOnce);
    for (const auto& r : departing_->regions()) {
        auto runs = map && is_private(r) ? map->own_pages(r.start(), r.end()) : Expected(std::vector<PageRun>());
        if (!runs) continue;
        for (const auto& run : *runs)
            for (uint64_t at = run.start; at < run.end; at += kAtOnce) {
                auto bytes = std::span(buffer).first(std::min<size_t>(kAtOnce, run.end - at));
                put_all(*parts_.pages, bytes.first(memory.read_some(at, bytes)));
            }
    }
    spdlog::info("process {}: {} pages are kept for this user", p.pid.value, parts_.pages->pages());
}

void GuestSupervisor::keep_files() {
    if (!parts_.pages || is_memory_short()) return;
    ByteBuffer buffer(kAtOnce);
    for (int fd : twins_.descriptors()) put_file(*parts_.pages, fd, buffer);
}

}  // namespace pmi

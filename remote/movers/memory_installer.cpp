#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "remote/movers/mover.h"

namespace pmi {

namespace {

constexpr size_t kFoundAtOnce = 16 * kStoredPage;  // what stays in the CPU's cache between being found and being put in place

}  // namespace

MemoryInstaller::MemoryInstaller(pid_t pid, const wire::Image& image, std::function<int(uint32_t)> file_fd)
    : memory_(pid), image_(image), file_fd_(std::move(file_fd)) {
    for (const auto& r : image.regions()) {
        if (r.kind() == wire::Region::VDSO) continue;
        if (!ranges_.empty() && ranges_.back().end == r.start())
            ranges_.back().end = r.end();
        else
            ranges_.push_back({r.start(), r.end()});
    }
}

bool MemoryInstaller::covered(uint64_t start, uint64_t size) const {
    auto it =
        std::upper_bound(ranges_.begin(), ranges_.end(), start, [](uint64_t a, const AddressRange& r) { return a < r.start; });
    if (it == ranges_.begin()) return false;
    --it;
    return start >= it->start && size <= it->end - it->start && start + size <= it->end;
}

Status MemoryInstaller::install(const StreamView& view) {
    return view.head.kind == StreamKind::Pages ? install_pages(view) : install_file_data(view);
}

Status MemoryInstaller::install_pages(const StreamView& view) {
    for (size_t i = 0; i < view.head.runs; i++)
        if (!covered(view.run(i).where, view.run(i).size))
            return fail("memory at {:#x} that is outside the program's map", view.run(i).where);
    auto rest = view.payload;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun run = view.run(i);
        auto written = memory_.write(run.where, rest.first(run.size));
        if (!written && leaves_out_) written = install_by_page(run, rest.first(run.size));
        TRY(std::move(written));
        rest = rest.subspan(run.size);
    }
    return {};
}

Status MemoryInstaller::install_by_page(MemoryRun run, std::span<const std::byte> bytes) {
    for (uint64_t at = 0; at < run.size; at += kPage) {
        auto written = memory_.write(run.where + at, bytes.subspan(at, std::min<uint64_t>(kPage, run.size - at)));
        if (!written && !is_behind_file_end(run.where + at)) return written;
    }
    return {};
}

// There a page can't be read either.
bool MemoryInstaller::is_behind_file_end(uint64_t page) {
    for (const auto& r : image_.regions()) {
        if (page < r.start() || page >= r.end()) continue;
        std::byte probe{};
        return r.kind() == wire::Region::FILE && !r.shared() && !memory_.read(page, std::span(&probe, 1));
    }
    return false;
}

Expected<std::vector<AddressRange>> MemoryInstaller::dropped(const StreamView& view) const {
    std::vector<AddressRange> ranges;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun run = view.run(i);
        bool fits = run.size > 0 && run.where + run.size > run.where && run.where % kPage == 0 && run.size % kPage == 0;
        if (!fits || !covered(run.where, run.size)) return fail("pages at {:#x} that are outside the program's map", run.where);
        ranges.push_back({run.where, run.where + run.size});
    }
    return ranges;
}

Status MemoryInstaller::install_file_data(const StreamView& view) {
    auto rest = view.payload;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun run = view.run(i);
        TRY(store_in_file(run, rest.first(run.size)));
        rest = rest.subspan(run.size);
    }
    return {};
}

Status MemoryInstaller::store_in_file(MemoryRun run, std::span<const std::byte> bytes) {
    uint32_t index = file_of_position(run.where);
    uint64_t offset = offset_of_position(run.where);
    int fd = static_cast<int>(index) < image_.files_size() ? file_fd_(index) : -1;
    if (fd < 0) return fail("contents of file {} that the image does not have", index);
    uint64_t size = image_.files(static_cast<int>(index)).size();
    if (offset >= size) return fail("contents of file {} behind its end", index);
    // Pages travel whole; the file ends where it ends, so that what is behind gives SIGBUS.
    uint64_t length = std::min(run.size, size - offset);
    for (uint64_t done = 0; done < length;) {
        ssize_t n = ::pwrite(fd, bytes.data() + done, length - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail_errno("store {} bytes of a mapped file", length);
        done += static_cast<uint64_t>(n);
    }
    return {};
}

Status MemoryInstaller::install_one(StreamKind kind, MemoryRun run, std::span<const std::byte> bytes) {
    if (kind == StreamKind::FileData) return store_in_file(run, bytes);
    if (!covered(run.where, run.size)) return fail("memory at {:#x} that is outside the program's map", run.where);
    return memory_.write(run.where, bytes);
}

Expected<std::vector<std::byte>> MemoryInstaller::install_found(const StreamView& view, const FindPage& find) {
    std::vector<std::byte> found(view.payload.size() / sizeof(PageHash)), pages(kFoundAtOnce);
    size_t number = 0;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun run = view.run(i), part{run.where, 0};  // part: found ones behind each other
        for (uint64_t at = 0; at < run.size; at += kStoredPage, number++) {
            PageHash hash;
            std::memcpy(&hash, view.payload.data() + number * sizeof hash, sizeof hash);
            bool is_here = find(run.where + at, hash, std::span(pages).subspan(part.size));
            if (is_here) {
                found[number] = std::byte{1};
                part.size += kStoredPage;
                if (part.size < pages.size()) continue;
            }
            if (part.size > 0) TRY(install_one(view.head.offered, part, std::span(pages).first(part.size)));
            part = {run.where + at + kStoredPage, 0};
        }
        if (part.size > 0) TRY(install_one(view.head.offered, part, std::span(pages).first(part.size)));
    }
    return found;
}

}  // namespace pmi

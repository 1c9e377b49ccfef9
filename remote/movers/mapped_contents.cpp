#include "remote/movers/mapped_contents.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

namespace pmi {
namespace {

uint64_t whole_pages(uint64_t size) { return (size + kPage - 1) & ~(kPage - 1); }

bool is_stored_in(const wire::Region& r) { return r.shared() && has_vm_flag(r.vm_flags(), "mw"); }

bool is_kept_here(const SendOrder& order, const wire::Region& r) {
    return is_stored_in(r) && order.image->files(static_cast<int>(r.file())).written_back() == 0;
}

// Pages of a writable shared mapping that changed while away.
Status send_changed(const SendOrder& order, const wire::Region& r, MemorySender& sender) {
    if (!order.unchanged) return {};
    RemoteMemory memory(order.pid);
    const auto& file = order.image->files(static_cast<int>(r.file()));
    std::vector<std::byte> page(kPage);
    for (uint64_t at = r.start(); at < r.end(); at += kPage) {
        uint64_t offset = r.offset() + (at - r.start());
        if (offset >= file.size()) break;
        TRY(memory.read(at, page));
        if (order.unchanged(r.file(), offset, page)) continue;
        // The bytes of the last page that are behind the end of the file are not part of it.
        uint64_t length = std::min<uint64_t>(kPage, file.size() - offset);
        TRY(sender.add_bytes(StreamKind::Pages, at, std::span(page).first(length)));
    }
    return {};
}

// The part of a file mapping behind the end of its file can't be read.
uint64_t readable(const SendOrder& order, const AddressRange& range) {
    for (const auto& r : order.image->regions()) {
        if (!range.overlaps(r.start(), r.end()) || r.kind() != wire::Region::FILE) continue;
        uint64_t file_end = whole_pages(order.image->files(static_cast<int>(r.file())).size());
        uint64_t end = file_end > r.offset() ? r.start() + (file_end - r.offset()) : r.start();
        return std::max(range.start, std::min(range.end, end)) - range.start;
    }
    return range.end - range.start;
}

}  // namespace

Expected<FileContents> FileContents::open(const SendOrder& order) {
    TRY_ASSIGN(PageMap pages, PageMap::open(order.pid));
    return FileContents(std::move(pages), order.file_page);
}

Status FileContents::show_file(uint64_t position, uint64_t address, std::span<std::byte> bytes) const {
    if (!read_) return {};
    TRY_ASSIGN(auto own, pages_.own_pages(address, address + whole_pages(bytes.size())));
    for (const auto& run : own)
        for (uint64_t at = run.start - address; at < run.end - address; at += kPage) {
            auto page = bytes.subspan(at, std::min<size_t>(kPage, bytes.size() - at));
            (void)read_(file_of_position(position), offset_of_position(position) + at, page);
        }
    return {};
}

bool read_file_page(int fd, uint64_t offset, std::span<std::byte> page) {
    while (!page.empty()) {
        ssize_t n = ::pread(fd, page.data(), page.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        if (n == 0) break;
        offset += static_cast<uint64_t>(n);
        page = page.subspan(static_cast<size_t>(n));
    }
    std::fill(page.begin(), page.end(), std::byte{0});
    return true;
}

// Through shared mappings first, whose pages are never the program's own.
std::vector<FilePart> parts_to_send(const SendOrder& order, Files which, SentParts& sent) {
    std::set<uint32_t> stored_in;
    for (const auto& r : order.image->regions())
        if (r.kind() == wire::Region::FILE && is_stored_in(r)) stored_in.insert(r.file());
    std::vector<FilePart> parts;
    for (bool shared : {true, false})
        for (const auto& r : order.image->regions()) {
            if (r.kind() != wire::Region::FILE || r.shared() != shared) continue;
            if (which == Files::OnlyPrivate && stored_in.contains(r.file())) continue;
            // Up to the file's end.
            const auto& file = order.image->files(static_cast<int>(r.file()));
            uint64_t end = std::min(r.offset() + (r.end() - r.start()), whole_pages(file.size()));
            if (r.offset() >= end) continue;
            for (const auto& part : sent[{file.device(), file.inode()}].add(r.offset(), end))
                parts.push_back(
                    {file_position(r.file(), part.start), r.start() + (part.start - r.offset()), part.end - part.start});
        }
    return parts;
}

Status send_files(const SendOrder& order, Files which, SentParts& sent, MemorySender& sender, MemorySender::Zeros zeros) {
    TRY_ASSIGN(FileContents contents, FileContents::open(order));
    RemoteMemory memory(order.pid);
    for (const auto& part : parts_to_send(order, which, sent)) {
        auto read = [&](uint64_t offset, std::span<std::byte> to, std::vector<bool>&) -> Status {
            TRY(memory.read(part.address + offset, to));
            return contents.show_file(part.position + offset, part.address + offset, to);
        };
        TRY(sender.add(StreamKind::FileData, part.position, part.size, read, zeros));
    }
    return {};
}

Status send_stores(const SendOrder& order, MemorySender& sender) {
    for (const auto& r : order.image->regions())
        if (r.kind() == wire::Region::FILE && is_kept_here(order, r)) TRY(send_changed(order, r, sender));
    return {};
}

Status send_whole(const SendOrder& order, MemorySender& sender) {
    for (const auto& range : order.whole)
        TRY(sender.add(StreamKind::Pages, range.start, range.start, readable(order, range), MemorySender::Zeros::Send));
    return {};
}

}  // namespace pmi

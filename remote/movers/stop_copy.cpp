// Stop and copy: the process is stopped for the whole of the transfer. The simplest mover, and the one that every
// kernel can do.
#include <sys/mman.h>

#include <algorithm>
#include <map>

#include "remote/movers/memory_sender.h"
#include "remote/movers/mover.h"
#include "runtime/memory/pages.h"
#include "runtime/memory/parts.h"

namespace pmi {
namespace {

class StopCopy : public Mover {
  public:
    Expected<MoveTotals> send(const SendOrder& order, Stream& stream) override {
        TRY_ASSIGN(PageMap pages, PageMap::open(order.pid));
        MemorySender sender(order.pid, order.image->pid(), stream);
        if (order.file_contents) TRY(send_files(order, sender));
        for (const auto& r : order.image->regions()) {
            if (r.kind() == wire::Region::VDSO) continue;
            bool shared_file = r.kind() == wire::Region::FILE && r.shared();
            if (!shared_file) TRY(send_own(order, r, pages, sender));
            if (shared_file && !order.file_contents && is_kept_here(order, r)) TRY(send_changed(order, r, sender));
        }
        for (const auto& range : order.whole)
            TRY(sender.add(StreamKind::Pages, range.start, range.start, readable(order, range), MemorySender::Zeros::Send));
        TRY(sender.flush());
        return sender.totals();
    }

  private:
    // Anonymous pages, and pages of private file mappings that were written.
    static Status send_own(const SendOrder& order, const wire::Region& r, const PageMap& pages, MemorySender& sender) {
        TRY_ASSIGN(auto runs, pages.own_pages(r.start(), r.end()));
        const auto& l = order.image->layout();
        for (const auto& run : runs) {
            // Home keeps the pages with the arguments for ps, so that there even zeros are news.
            bool arguments = run.start < l.env_end() + kPage && l.arg_start() < run.end + kPage;
            bool zeros_matter = r.kind() == wire::Region::FILE || arguments;
            TRY(sender.add(StreamKind::Pages, run.start, run.start, run.end - run.start,
                           zeros_matter ? MemorySender::Zeros::Send : MemorySender::Zeros::Skip));
        }
        return {};
    }

    // Stores in shared memory that home does not take back as they are made.
    static bool is_kept_here(const SendOrder& order, const wire::Region& r) {
        return has_vm_flag(r.vm_flags(), "mw") && order.image->files(static_cast<int>(r.file())).written_back() == 0;
    }

    // Through shared mappings first: a private one may show what the program has made of its copy.
    static Status send_files(const SendOrder& order, MemorySender& sender) {
        std::map<uint32_t, Parts> sent;
        for (bool shared : {true, false})
            for (const auto& r : order.image->regions())
                if (r.kind() == wire::Region::FILE && r.shared() == shared) TRY(send_file(order, r, sent[r.file()], sender));
        return {};
    }

    // What the region shows of its file, up to the file's end.
    static Status send_file(const SendOrder& order, const wire::Region& r, Parts& sent, MemorySender& sender) {
        const auto& file = order.image->files(static_cast<int>(r.file()));
        uint64_t file_end = (file.size() + kPage - 1) & ~(kPage - 1);
        uint64_t end = std::min(r.offset() + (r.end() - r.start()), file_end);
        if (r.offset() >= end) return {};
        for (const auto& part : sent.add(r.offset(), end))
            TRY(sender.add(StreamKind::FileData, file_position(r.file(), part.start), r.start() + (part.start - r.offset()),
                           part.end - part.start, MemorySender::Zeros::Skip));
        return {};
    }

    // Pages of a writable shared mapping that changed while away.
    static Status send_changed(const SendOrder& order, const wire::Region& r, MemorySender& sender) {
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
    static uint64_t readable(const SendOrder& order, const AddressRange& range) {
        for (const auto& r : order.image->regions()) {
            if (!range.overlaps(r.start(), r.end()) || r.kind() != wire::Region::FILE) continue;
            const auto& file = order.image->files(static_cast<int>(r.file()));
            uint64_t file_end = (file.size() + kPage - 1) & ~(kPage - 1);
            uint64_t end = file_end > r.offset() ? r.start() + (file_end - r.offset()) : r.start();
            return std::max(range.start, std::min(range.end, end)) - range.start;
        }
        return range.end - range.start;
    }
};

}  // namespace

Expected<std::unique_ptr<Mover>> make_mover(const std::string& mode) {
    if (mode == "auto" || mode == "stop") return std::unique_ptr<Mover>(std::make_unique<StopCopy>());
    return fail("mode {} is not there; stop is", mode);
}

}  // namespace pmi

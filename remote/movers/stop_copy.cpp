// Stop and copy: the process is stopped for the whole of the transfer. The simplest mover, and the one that every
// kernel can do.
#include "remote/movers/mapped_contents.h"
#include "remote/movers/memory_sender.h"
#include "remote/movers/mover.h"
#include "runtime/memory/pages.h"

namespace pmi {
namespace {

class StopCopy : public Mover {
  public:
    Expected<MoveTotals> send(const SendOrder& order, Stream& stream) override {
        TRY_ASSIGN(PageMap pages, PageMap::open(order.pid));
        MemorySender sender(order, stream);
        SentParts sent;
        if (order.file_contents) TRY(send_files(order, Files::All, sent, sender, MemorySender::Zeros::Skip));
        struct Own {
            PageRun run;
            MemorySender::Zeros zeros;
        };
        std::vector<Own> own;
        for (const auto& r : order.image->regions()) {
            if (!is_private(r)) continue;
            TRY_ASSIGN(auto runs, pages.own_pages(r.start(), r.end()));
            auto zeros = zeros_matter(*order.image, r) ? MemorySender::Zeros::Send : MemorySender::Zeros::Skip;
            PageSet now(std::move(runs));
            put_off(order, r, now);
            for (const auto& run : now.runs()) {
                own.push_back({run, zeros});
                sender.expect(run.end - run.start);
            }
        }
        for (const auto& [run, zeros] : own) TRY(sender.add(StreamKind::Pages, run.start, run.start, run.end - run.start, zeros));
        if (!order.file_contents) TRY(send_stores(order, sender));
        TRY(send_whole(order, sender));
        TRY(sender.flush());
        return sender.totals();
    }
};

}  // namespace

bool is_private(const wire::Region& r) {
    return r.kind() == wire::Region::ANONYMOUS || (r.kind() == wire::Region::FILE && !r.shared());
}

bool zeros_matter(const wire::Image& image, const wire::Region& r) {
    // A page of zeros over a file is not the file's. Home keeps the pages with the arguments for ps, so that there even
    // zeros are news.
    const auto& l = image.layout();
    bool arguments = l.arg_start() != 0 && r.start() < l.env_end() + kPage && l.arg_start() < r.end() + kPage;
    return r.kind() == wire::Region::FILE || arguments;
}

std::unique_ptr<Mover> make_stop_copy() { return std::make_unique<StopCopy>(); }

}  // namespace pmi

// Brings a running program's memory to another machine, and keeps account of how far the copy there is behind: *pre-copy*
// while the program is on its way, and afterwards, when the copy that stays behind goes on existing (home's, while the
// program is away), the reason why only what was written has to travel back.
//
//   held    pages of which the other side may have something
//   taken   pages that were taken from the tracker; own pages that never were, it tells of
//   known   those of which the other side has what was here when they were last taken, or zeros as here
// A page need not travel if it is known and clean (dirty_tracking.h). A held page that is no longer the program's own, or
// that holds zeros now, is dropped there; a page of zeros that is not held needs nothing.
//
// A round: follow new mappings, take what was written, read it, send it; the other side acknowledges. Taking comes before
// reading: what is written in between is sent again. Pages that vanish under our hands are left out: whatever replaces
// them is new.
#pragma once
#include <deque>
#include <memory>
#include <optional>

#include "remote/movers/mapped_contents.h"
#include "remote/movers/memory_sender.h"
#include "remote/movers/mover.h"
#include "runtime/memory/dirty_tracking.h"

namespace pmi {

class MemoryFollower : public Mover {
  public:
    explicit MemoryFollower(std::shared_ptr<DirtyTracking> tracking) : tracking_(std::move(tracking)) {}

    // -- while the program runs
    // order.image: its regions as they are now, which are sent first. It has to live until the round is over. With order.later
    // the round is of files alone.
    Status begin_round(const SendOrder& order, Stream& stream);
    // Sends about one message. False when the round is over: RoundEnd has been sent.
    Expected<bool> step();
    // A round that tells the other side to give up what may come later (put_off.cpp); send() with order.later then puts all of it
    // off.
    Status take_back(const SendOrder& order, Stream& stream);
    // It comes to nothing. The other side has perhaps got some of it.
    void break_round() { held_.unite(sent_); }
    // Bytes of its own that it has written since the last round, or never sent, in what is mapped in `layout`.
    Expected<uint64_t> written_since(const wire::Image& layout) const;
    const MoveTotals& round_totals() const { return sender_->totals(); }
    uint64_t left() const { return sender_->left(); }
    // Another follower of the same program has taken these.
    void taken_elsewhere(const PageSet& pages) { known_.subtract(pages), taken_.unite(pages); }
    std::function<void(const PageSet& taken)> on_taken;

    // -- while it stands still
    Expected<MoveTotals> send(const SendOrder& order, Stream& stream) override;

    // -- where memory arrives
    // These pages have been installed, or have gone, as the other side has them.
    void note_installed(const AddressRange& range) { installed_.push_back({range.start, range.end}); }
    void note_dropped(const std::vector<AddressRange>& ranges);
    // What has been installed since is no news. Costs what was installed, not what there is.
    Status settle(const wire::Image& image);
    // They have come later, or are still to come, as the other side has them, into mappings that are followed already.
    void note_later(const PageSet& pages) { held_.unite(pages), known_.unite(pages); }
    // The other side has given its copy up, all of it, or never had one.
    void nothing_is_held() { held_.clear(), known_.clear(), all_is_news_ = true; }
    // Files that were sent in rounds are others now.
    void files_changed() { files_.clear(), files_again_ = true; }

    bool let_go_some() { return tracking_->let_go_some(); }
    const std::shared_ptr<DirtyTracking>& tracking() const { return tracking_; }

  private:
    struct Piece {
        StreamKind kind;
        uint64_t where, address, size;
        bool zeros_matter;
    };
    // What may be other than over there, and what it is here.
    struct Seen {
        PageSet looked, own, clean;
    };
    Expected<Seen> look(const wire::Image& image, const PageSet& all, const PageSet& replaced) const;
    void start_sending(const SendOrder& order, Stream& stream);
    PageSet forget_replaced(const wire::Image& image);
    void note_layout(const wire::Image& image);
    void plan_files(const SendOrder& order);
    void plan_pages(const wire::Image& image, const PageSet& pages);
    void add_piece(const Piece& piece);
    Status send_piece(const Piece& piece);
    Status read_pages(uint64_t address, std::span<std::byte> to, std::vector<bool>& there) const;
    Status send_drops(int32_t pid, const PageSet& drops);
    void note_round();
    bool sending_takes_less(const SendOrder& order) const;

    std::shared_ptr<DirtyTracking> tracking_;
    PageSet held_, taken_, known_;
    std::vector<PageRun> installed_;  // since it was settled
    SentParts files_;
    wire::Image layout_;  // regions and files, as both sides have known them last; empty: the other side knows of none

    // Of the round, or of the last transfer.
    Stream* stream_ = nullptr;
    int32_t pid_ = 0;
    std::optional<MemorySender> sender_;
    std::optional<RemoteMemory> memory_;
    std::optional<FileContents> contents_;
    std::deque<Piece> pieces_;
    PageSet sent_, zeros_, became_zero_;
    bool vanished_ = false, file_vanished_ = false;
    bool files_again_ = false;  // the other side may have older contents where there are zeros now
    bool taken_back_ = false;   // nothing of what may come later is over there
    bool all_is_news_ = false;  // the next round sends what was not written since, too
};

// The private mappings of an image.
std::vector<PageRun> private_mappings(const wire::Image& image);

}  // namespace pmi

// How a program arrives: all at once, standing still (Image, memory, End), or laid out while it still runs at the source:
//   Layout (announced, while the source prepares), and then
//   Layout, memory, Drop, RoundEnd -> RoundAck, again and again; then, standing still, Image, memory, Drop, End
// While the source looks for the memory that goes with the image, the threads are made here.
// Some of it may come when it already runs here (guest_later.cpp): AskLater -> LaterAt before all that, and Later before End.
// Each layout may differ from the one before: what has gone is unmapped, what is new is empty, and the source sends it.
#include "remote/wire/xstate.h"
#include "runtime/base/log.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/memory/image_check.h"

namespace pmi {

Status GuestSupervisor::handle_stream(const Message& message) {
    TRY_ASSIGN(StreamView view, parse_stream_message(message.bytes()));
    if (view.head.kind == StreamKind::Need) return send_memory(view);
    if (view.head.kind == StreamKind::Round) return begin_round(view);
    if (view.head.kind == StreamKind::Failed) return fail("home has given the move up");
    auto step = handle_arrival(view);
    return step ? Status() : refuse_arrival(step.error());
}

Status GuestSupervisor::handle_arrival(const StreamView& view) {
    if (view.head.kind == StreamKind::AskLater) return make_ready_for_later();
    if (view.head.kind == StreamKind::Layout || view.head.kind == StreamKind::Image) {
        wire::Image image;
        if (!image.ParseFromArray(view.payload.data(), static_cast<int>(view.payload.size())))
            return fail("an image that can't be parsed");
        return take_image(std::move(image), view.head.kind == StreamKind::Image);
    }
    if (!arrival_ || had_guest_) return fail("memory without an image");
    switch (view.head.kind) {
        case StreamKind::Pages:
        case StreamKind::FileData: return install_memory(view);
        case StreamKind::Offer: return take_offer(view);
        case StreamKind::Later: return take_later(view);
        case StreamKind::Drop: {
            TRY_ASSIGN(auto ranges, arrival_->memory->dropped(view));
            if (arrival_->follower) arrival_->follower->note_dropped(ranges);
            return arrival_->builder->drop(ranges);
        }
        case StreamKind::RoundEnd:
            // Now, while nobody waits for it.
            if (arrival_->follower) TRY(arrival_->follower->settle(arrival_->image));
            return parts_.stream->send(make_stream_message(StreamKind::RoundAck, view.head.pid, {}, {}));
        case StreamKind::End: return arrival_->is_final ? arrived() : fail("the end of a move without its image");
        default: return fail("an unexpected stream message {}", static_cast<uint32_t>(view.head.kind));
    }
}

Status GuestSupervisor::install_memory(const StreamView& view) {
    TRY(arrival_->memory->install(view));
    for (size_t i = 0; view.head.kind == StreamKind::Pages && arrival_->follower && i < view.head.runs; i++)
        arrival_->follower->note_installed({view.run(i).where, (view.run(i).where + view.run(i).size + kPage - 1) & ~(kPage - 1)});
    return {};
}

Status GuestSupervisor::take_offer(const StreamView& view) {
    if (!parts_.pages && !parts_.files) return fail("an offer of pages, and none are looked for here");
    const wire::Image& image = arrival_->image;
    auto find = [&](uint64_t where, const PageHash& hash, std::span<std::byte> page) {
        if (parts_.pages && parts_.pages->get(hash, page)) return true;
        auto file = static_cast<int>(file_of_position(where));
        bool may_be_own = parts_.files && view.head.offered == StreamKind::FileData && file < image.files_size();
        return may_be_own && parts_.files->get(image.files(file), offset_of_position(where), hash, page);
    };
    TRY_ASSIGN(auto found, arrival_->memory->install_found(view, find));
    size_t number = 0;
    for (size_t i = 0; view.head.offered == StreamKind::Pages && arrival_->follower && i < view.head.runs; i++)
        for (MemoryRun run = view.run(i); run.size > 0; run.where += kPage, run.size -= kPage, number++)
            if (found[number] != std::byte{0}) arrival_->follower->note_installed({run.where, run.where + kPage});
    return parts_.stream->send(make_stream_message(StreamKind::Found, view.head.pid, {}, found));
}

Status GuestSupervisor::refuse_arrival(const Error& why) {
    std::string text = fmt::format("node {}: {}", parts_.node_name, why.message());
    TRY(parts_.stream->send(make_stream_message(StreamKind::Failed, 0, {}, std::as_bytes(std::span(text)))));
    return fail("{}", text);
}

Status GuestSupervisor::take_image(wire::Image image, bool is_final) {
    if (had_guest_ || (arrival_ && arrival_->is_final)) return fail("a second program in one session");
    TRY(is_final ? check_image(image) : check_image_layout(image));
    bool is_first = !arrival_;
    if (is_first) {
        arrival_ = Arrival{};  // clang 14 knows of no default constructor here, since Arrival is nested
        arrival_->builder = std::make_unique<GuestBuilder>(parts_.jail, arrival_->image, twins_, parts_.clock, *assist_,
                                                           static_cast<StopWaiter&>(*this));
    } else if (image.pid() != arrival_->image.pid() || image.agent_base() != arrival_->image.agent_base()) {
        return fail("an image of another program than the one that is arriving");
    }
    wire::Image before = std::exchange(arrival_->image, std::move(image));
    arrival_->is_final = is_final;
    GuestBuilder& builder = *arrival_->builder;
    if (is_final) TRY(relay_image(arrival_->image, local_xstate_layout()));
    TRY(is_first ? builder.lay_out() : builder.reshape(before));
    arrival_->memory =
        std::make_unique<MemoryInstaller>(builder.outer(), arrival_->image, [this](uint32_t index) { return twins_.fd_of(index); });
    // In a round there may be other memory there by now, of which the next layout tells.
    if (!is_final) arrival_->memory->leave_out_behind_file_ends();
    if (is_first) TRY(start_following());
    return is_final ? builder.make_tasks() : Status();
}

// So that only what it writes here has to travel on.
Status GuestSupervisor::start_following() {
    if (page_lines_) return start_fetcher();
    auto tracking = arrival_->builder->start_tracking();
    if (tracking)
        arrival_->follower = std::make_unique<MemoryFollower>(std::make_shared<DirtyTracking>(std::move(*tracking)));
    else
        spdlog::info("process {}: {}; all of its memory will travel on", arrival_->image.pid(), tracking.error().message());
    return {};
}

}  // namespace pmi

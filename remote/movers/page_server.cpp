#include "remote/movers/page_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "remote/movers/memory_sender.h"
#include "remote/movers/run_message.h"
#include "remote/wire/frames.h"
#include "remote/wire/memory_frame.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"

namespace pmi {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kEverything = ~uint64_t{0};
constexpr int kLookUpMs = 20;  // whether it is still wanted
constexpr int kGone = ESRCH;   // the address space

// In front of a message's pages, each of which may be a run of its own.
constexpr size_t kHeadRoom = sizeof(StreamHead) + kMemoryMessage / kPageBytes * sizeof(MemoryRun);

uint64_t bytes_of(const PageRange& range) { return range.pages * kPageBytes; }

}  // namespace

void stand_back() {
    constexpr int kNice = 3;
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
}

Expected<std::unique_ptr<PageServer>> PageServer::start(pid_t pid, int32_t home_pid, const PageSet& later, PageLines lines) {
    TRY_ASSIGN(Fd memory, open_file("/proc/" + std::to_string(pid) + "/mem", O_RDONLY));
    std::unique_ptr<PageServer> server(new PageServer(std::move(memory), home_pid, later, std::move(lines)));
    TRY_ASSIGN(server->demand_, start_thread([s = server.get()] { s->answer_all(); }));
    TRY_ASSIGN(server->push_, start_thread([s = server.get()] { s->push_all(); }));
    return server;
}

void PageServer::begin_push() {
    std::lock_guard lock(mutex_);
    push_begun_ = true;
    push_changed_.notify_all();
}

PageServer::~PageServer() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        push_changed_.notify_all();
    }
    lines_.demand->shut_down();
    lines_.push->abandon();
    if (demand_.joinable()) demand_.join();
    if (push_.joinable()) push_.join();
}

// Where nothing is to be read any more the process has ended, or has started another program.
Status PageServer::read(uint64_t address, std::span<std::byte> to) const {
    while (!to.empty()) {
        ssize_t n = ::pread(memory_.get(), to.data(), to.size(), static_cast<off_t>(address));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read {} bytes of the program's memory at {:#x}", to.size(), address);
        if (n == 0) return fail_code(kGone, "the program's memory has gone");
        to = to.subspan(static_cast<size_t>(n));
        address += static_cast<uint64_t>(n);
    }
    return {};
}

void PageServer::note_sent(uint64_t start, uint64_t end) {
    std::lock_guard lock(mutex_);
    unsent_.remove(start, end);
    sent_ = pages_ - unsent_.pages();
}

// ---- demand

void PageServer::answer_all() {
    for (;;) {
        auto frame = lines_.demand->receive();
        if (!frame) {
            if (!stopping_) spdlog::info("process {}: no more pages are asked for: {}", home_pid_, frame.error().message());
            return;
        }
        auto answered = [&]() -> Status {
            TRY_ASSIGN(PageRange asked, parse_page_ask(frame->type, frame->body));
            return answer(asked);
        }();
        if (answered) continue;
        bool ended = answered.error().code() == kGone;
        std::string why = answered.error().message();
        if (!ended) spdlog::error("process {}: a page of it can't be sent: {}", home_pid_, why);
        auto text = ended ? std::span<const std::byte>() : std::as_bytes(std::span(why));
        // A connection that is lost is noticed by the next receive().
        (void)lines_.demand->send(static_cast<uint8_t>(ended ? DemandType::Ended : DemandType::Lost), {}, text);
    }
}

Status PageServer::answer(const PageRange& asked) {
    for (uint64_t at = asked.where; at < asked.where + bytes_of(asked); at += kPageBytes)
        if (!whole_.contains(at)) return fail("a page at {:#x}, which was not to come later", at);
    std::vector<std::byte> bytes(bytes_of(asked));
    TRY(read(asked.where, bytes));
    bool zeros = is_zero(bytes);
    auto type = static_cast<uint8_t>(zeros ? DemandType::Zeros : DemandType::Pages);
    TRY(lines_.demand->send(type, head_bytes(asked), zeros ? std::span<const std::byte>() : bytes));
    demanded_ += asked.pages;
    note_sent(asked.where, asked.where + bytes.size());
    return {};
}

// ---- push

// However it ends, the destination hears that no more will be pushed, and asks for what it still lacks.
void PageServer::push_all() {
    stand_back();
    {
        std::unique_lock lock(mutex_);
        push_changed_.wait(lock, [&] { return push_begun_ || stopping_; });
    }
    // While pages are asked for, the CPUs and the link are theirs for the most part.
    constexpr std::chrono::milliseconds kGiveWay(2);
    for (uint64_t seen = 0;;) {
        if (uint64_t now = demanded_; std::exchange(seen, now) != now) {
            std::unique_lock lock(mutex_);
            push_changed_.wait_for(lock, kGiveWay, [&] { return stopping_.load(); });
        }
        auto more = push_some();
        if (more && *more) continue;
        if (!more && !stopping_)
            spdlog::info("process {}: its pages are not pushed any more: {}", home_pid_, more.error().message());
        if (!stopping_) (void)lines_.push->send(make_stream_message(StreamKind::End, home_pid_, {}, {}));
        return;
    }
}

// For one message; they count as sent.
std::vector<PageRun> PageServer::next_runs() {
    std::vector<PageRun> runs;
    std::lock_guard lock(mutex_);
    for (uint64_t room = kMemoryMessage / kPageBytes; room > 0;) {
        PageRun run = unsent_.next(pushed_to_, kEverything, room);
        if (run.start == run.end) break;
        pushed_to_ = run.end;
        room -= (run.end - run.start) / kPageBytes;
        unsent_.remove(run.start, run.end);
        runs.push_back(run);
    }
    sent_ = pages_ - unsent_.pages();
    return runs;
}

// False: nobody wants it any more.
bool PageServer::wait_for_room() {
    while (!stopping_ && !lines_.push->can_send(kLookUpMs)) {
    }
    return !stopping_;
}

// False: that was all.
Expected<bool> PageServer::push_some() {
    if (!wait_for_room()) return false;
    auto runs = next_runs();
    if (runs.empty()) return false;
    std::vector<MemoryRun> full, zeros;
    auto buffer = std::make_shared<BufferPool::Buffer>(pool_.take(kHeadRoom + kMemoryMessage));
    std::byte* payload = buffer->data() + kHeadRoom;
    size_t filled = 0;
    for (const auto& run : runs) {
        std::span<std::byte> bytes(payload + filled, run.end - run.start);
        TRY(read(run.start, bytes));
        for (size_t at = 0; at < bytes.size(); at += kPageBytes) {
            auto page = bytes.subspan(at, kPageBytes);
            bool zero = is_zero(page);
            add_run(zero ? zeros : full, run.start + at, kPageBytes);
            if (zero) continue;
            if (page.data() != payload + filled) std::memmove(payload + filled, page.data(), kPageBytes);
            filled += kPageBytes;
        }
    }
    if (!zeros.empty()) TRY(lines_.push->send(make_stream_message(StreamKind::Drop, home_pid_, zeros, {})));
    if (full.empty()) return true;
    if (!wait_for_room()) return false;
    TRY(lines_.push->send_zero_copy(describe_runs(payload, filled, StreamKind::Pages, home_pid_, full), [buffer] {}));
    return true;
}

}  // namespace pmi

#include "runtime/guest/page_fetcher.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "remote/wire/frames.h"
#include "remote/wire/page_demand.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"

namespace pmi {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kEverything = ~uint64_t{0} & ~(kPageBytes - 1);
constexpr int kLookUpMs = 20;                          // whether what is pushed is still wanted
constexpr uint64_t kPart = 64u << 10;                  // bytes that are put in place at once
constexpr uint64_t kFewestAhead = 4, kMostAhead = 32;  // pages
constexpr uint64_t kZerosAtOnce = 64;                  // pages; they cost no memory
constexpr uint64_t kRestOnItsWay = 4 * kMostAsked;     // pages

constexpr const char* kHomeIsGone = "home, which has the rest of its memory, is gone";

// Pages are put in place within one mapping only: where the program has cut it meanwhile, one by one.
template <typename Try>
UserFault::Placed in_one_mapping(uint64_t size, Try place) {
    auto placed = place(size);
    return placed.code == ENOENT && size > kPageBytes ? place(kPageBytes) : placed;
}

}  // namespace

Expected<std::unique_ptr<PageFetcher>> PageFetcher::start(UserFault faults, Fd guest, PageLines lines) {
    Fd news(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!news.valid() || !wake.valid()) return fail_errno("eventfd");
    std::unique_ptr<PageFetcher> made(
        new PageFetcher(std::move(faults), std::move(guest), std::move(lines), std::move(news), std::move(wake)));
    TRY_ASSIGN(made->thread_, start_thread([f = made.get()] { f->run(); }));
    TRY_ASSIGN(made->push_thread_, start_thread([f = made.get()] { f->take_all_pushed(); }));
    return made;
}

PageFetcher::~PageFetcher() {
    stopping_ = true;
    (void)::eventfd_write(wake_.get(), 1);
    if (thread_.joinable()) thread_.join();
    if (push_thread_.joinable()) push_thread_.join();
}

Status PageFetcher::expect(const PageSet& pages, const std::vector<PageRun>& mappings) {
    {
        std::lock_guard lock(mutex_);
        if (is_expected_) return fail("pages that come later, for a second time");
        missing_ = unasked_ = PageBits(pages);
        is_expected_ = true;
    }
    for (const auto& m : mappings) TRY(faults_.handle(m));
    (void)::eventfd_write(wake_.get(), 1);
    return {};
}

void PageFetcher::take_news() {
    eventfd_t ignored = 0;
    (void)::eventfd_read(news_.get(), &ignored);
}

std::optional<std::string> PageFetcher::failure() const {
    std::lock_guard lock(mutex_);
    return failure_;
}

void PageFetcher::run() {
    while (!stopping_) {
        auto served = serve();
        if (!served && !stopping_) return give_up(served.error());
    }
}

Status PageFetcher::serve() {
    TRY(wait_for_something());
    TRY(take_faults());
    end_if_complete();  // where nothing is to come home hangs up as soon as the program runs here
    if (complete_) return {};
    TRY(take_answers());
    if (push_ended_) {
        {
            std::lock_guard lock(mutex_);
            if (push_failure_) return *push_failure_;
        }
        TRY(ask_for_rest());
    }
    end_if_complete();
    return {};
}

Status PageFetcher::wait_for_something() {
    bool fetches = !complete_;
    std::array<pollfd, 4> fds{{{faults_.fd(), POLLIN, 0},
                               {wake_.get(), POLLIN, 0},
                               {fetches ? lines_.demand->fd() : -1, POLLIN, 0},
                               {fetches ? lines_.demand->resume_fd() : -1, POLLIN, 0}}};
    bool has_more = fetches && lines_.demand->has_read_ahead();
    if (::poll(fds.data(), fds.size(), has_more ? 0 : -1) < 0 && errno != EINTR) return fail_errno("poll");
    eventfd_t ignored = 0;
    if (fds[1].revents != 0) (void)::eventfd_read(wake_.get(), &ignored);
    if (fds[3].revents != 0) return lines_.demand->serve_resumption();
    return {};
}

// ---- what the guest does

// Whoever caused an event goes on as soon as it has been taken, and may have more to come there (expect()): that waits until it
// has been dealt with.
Expected<std::vector<UserFault::Event>> PageFetcher::take_events() {
    auto lock = lock_list(By::Demand);
    TRY_ASSIGN(auto events, faults_.take_events());
    for (const auto& event : events) {
        if (event.kind == UserFault::Event::Kind::Missing) continue;
        missing_.remove(event.start, event.end);
        unasked_.remove(event.start, event.end);
    }
    return events;
}

Status PageFetcher::take_faults() {
    TRY_ASSIGN(auto events, take_events());
    for (const auto& event : events)
        if (event.kind == UserFault::Event::Kind::Missing) TRY(ask(event.start));
    return {};
}

Status PageFetcher::ask(uint64_t page) {
    std::vector<PageRun> runs;
    bool is_missing = false;
    {
        std::lock_guard lock(mutex_);
        is_missing = missing_.contains(page);
        if (is_missing && unasked_.contains(page)) runs.push_back({page, page + kPageBytes});
        if (!runs.empty()) {
            ahead_ = page == next_in_line_ ? std::clamp(ahead_ * 2, kFewestAhead, kMostAhead) : 0;
            PageRun behind = unasked_.next(page + kPageBytes, page + (1 + ahead_) * kPageBytes, ahead_);
            // In a frame of their own: the one page does not wait for them.
            if (behind.start == page + kPageBytes && behind.end > behind.start) runs.push_back(behind);
            next_in_line_ = runs.back().end;
        }
        for (const auto& run : runs) unasked_.remove(run.start, run.end);
    }
    for (const auto& run : runs) TRY(send_ask(run));
    return is_missing ? Status() : fill_with_zeros(page);
}

Status PageFetcher::send_ask(const PageRun& run) {
    PageRange range{run.start, static_cast<uint32_t>((run.end - run.start) / kPageBytes), 0};
    auto sent = lines_.demand->send(static_cast<uint8_t>(DemandType::Ask), head_bytes(range));
    if (!sent) return std::move(sent.error()).within(kHomeIsGone);
    return {};
}

// Several at once where nothing is to come: whoever goes on behind it finds them there. A mapping may end before.
Status PageFetcher::fill_with_zeros(uint64_t page) {
    uint64_t end = page + kZerosAtOnce * kPageBytes;
    {
        std::lock_guard lock(mutex_);
        end = missing_.next(page, end, 1).start;
    }
    auto placed = in_one_mapping(end - page, [&](uint64_t size) { return faults_.zero(page, size); });
    if (placed.bytes > 0) return {};
    // It is there, its mappings are changing, or it has gone: whoever waits there looks again.
    bool looks_again = placed.code == EAGAIN || placed.code == EEXIST || placed.code == ENOENT;
    if (!looks_again) return fail_code(placed.code, "put zeros in place at {:#x}", page);
    faults_.wake(page, kPageBytes);
    return {};
}

// ---- what comes

Status PageFetcher::take_answers() {
    do {
        auto frame = lines_.demand->try_receive();
        if (!frame) return std::move(frame.error()).within(kHomeIsGone);
        if (!*frame) return {};
        TRY_ASSIGN(PageAnswer answer, parse_page_answer((*frame)->type, (*frame)->body));
        if (answer.type == DemandType::Ended) {
            ended_at_home_ = true;
            return fail("its program has ended");
        }
        if (answer.type == DemandType::Lost) return fail("{}", answer.why);
        uint64_t size = answer.range.pages * kPageBytes;
        asked_open_ -= std::min<uint64_t>(asked_open_, answer.range.pages);
        TRY(put(By::Demand, answer.range.where, size, answer.bytes));
    } while (lines_.demand->has_read_ahead());
    return {};
}

// The second thread's.
void PageFetcher::take_all_pushed() {
    stand_back();
    for (;;) {
        auto more = take_pushed();
        if (more && *more) continue;
        if (!more) {
            std::lock_guard lock(mutex_);
            push_failure_ = std::move(more.error());
        }
        break;
    }
    lines_.push->abandon();
    lines_.push.reset();
    push_ended_ = true;
    (void)::eventfd_write(wake_.get(), 1);
}

// False: there is no more. Cut off, what had come is in place.
Expected<bool> PageFetcher::take_pushed() {
    if (stopping_ || complete_) return false;
    auto message = lines_.push->receive(kLookUpMs);
    if (!message && message.error().code() == ETIMEDOUT) return true;
    if (!message) return false;
    TRY_ASSIGN(StreamView view, parse_stream_message((*message)->bytes()));
    if (view.head.kind == StreamKind::End) return false;
    if (view.head.kind != StreamKind::Pages && view.head.kind != StreamKind::Drop)
        return fail("a message {} among pages", static_cast<uint32_t>(view.head.kind));
    TRY(put_pushed(view));
    std::lock_guard lock(mutex_);
    return !missing_.empty();
}

Status PageFetcher::put_pushed(const StreamView& view) {
    auto rest = view.payload;
    for (size_t i = 0; i < view.head.runs; i++) {
        MemoryRun run = view.run(i);
        bool is_whole = run.where % kPageBytes == 0 && run.size % kPageBytes == 0 && run.where + run.size >= run.where;
        if (!is_whole) return fail("{} bytes at {:#x} among pages", run.size, run.where);
        bool zeros = view.head.kind == StreamKind::Drop;
        TRY(put(By::Push, run.where, run.size, rest.first(zeros ? 0 : run.size)));
        if (!zeros) rest = rest.subspan(run.size);
    }
    return {};
}

// The push has ended, and some pages have not come: those that it had on its way when it was cut off.
Status PageFetcher::ask_for_rest() {
    while (asked_open_ < kRestOnItsWay) {
        PageRun run{};
        {
            std::lock_guard lock(mutex_);
            run = unasked_.next(rest_from_, kEverything, kMostAsked);
            if (run.start == run.end) return {};
            unasked_.remove(run.start, run.end);
        }
        rest_from_ = run.end;
        asked_open_ += (run.end - run.start) / kPageBytes;
        TRY(send_ask(run));
    }
    return {};
}

// What of it is missing.
Status PageFetcher::put(By by, uint64_t where, uint64_t size, std::span<const std::byte> bytes) {
    for (uint64_t at = where; at < where + size;) {
        if (stopping_) return fail_code(ECANCELED, "put memory in place");
        TRY_ASSIGN(uint64_t next, put_some(by, at, {where, where + size}, bytes));
        if (next == at) {
            // Its mappings are changing: it waits until the event has been taken, then for a CPU.
            if (by == By::Demand) TRY(take_faults());
            ::sched_yield();
        }
        at = next;
    }
    return {};
}

// From `at` on; gives where to go on. Under the lock, so that what an event takes off the list is not just on its way.
Expected<uint64_t> PageFetcher::put_some(By by, uint64_t at, const PageRun& all, std::span<const std::byte> bytes) {
    auto lock = lock_list(by);
    PageRun run = missing_.next(at, all.end, kPart / kPageBytes);
    if (run.start == run.end) return all.end;
    auto part = bytes.empty() ? bytes : bytes.subspan(run.start - all.start, run.end - run.start);
    auto placed = in_one_mapping(run.end - run.start, [&](uint64_t size) {
        return part.empty() ? faults_.zero(run.start, size) : faults_.copy(run.start, part.first(size));
    });
    uint64_t done = placed.bytes;
    if (done == 0 && placed.code == EAGAIN) return at;
    if (done == 0 && placed.code == EEXIST) faults_.wake(run.start, kPageBytes);
    bool of_one_page = placed.code == EEXIST || placed.code == ENOENT;
    if (done == 0 && of_one_page) done = kPageBytes;
    if (done == 0) return fail_code(placed.code, "put memory in place at {:#x}", run.start);
    missing_.remove(run.start, run.start + done);
    unasked_.remove(run.start, run.start + done);
    return run.start + done;
}

// Who pushes lets the other one go first.
std::unique_lock<std::mutex> PageFetcher::lock_list(By by) {
    if (by == By::Push) {
        while (is_urgent_) ::sched_yield();
        return std::unique_lock(mutex_);
    }
    is_urgent_ = true;
    std::unique_lock lock(mutex_);
    is_urgent_ = false;
    return lock;
}

void PageFetcher::end_if_complete() {
    {
        std::lock_guard lock(mutex_);
        if (complete_ || !is_expected_ || !missing_.empty()) return;
    }
    lines_.demand.reset();
    complete_ = true;
    (void)::eventfd_write(news_.get(), 1);
}

// Killed first: a thread that has been killed sees nothing any more, and waits for nothing.
void PageFetcher::give_up(const Error& why) {
    bool guest_ended = why.code() == ESRCH && !ended_at_home_;
    if (!guest_ended) {
        if (!ended_at_home_) spdlog::error("the rest of a program's memory can't be had: {}", why.message());
        std::lock_guard lock(mutex_);
        failure_ = ended_at_home_ ? "" : why.message();
    }
    (void)::syscall(SYS_pidfd_send_signal, guest_.get(), SIGKILL, nullptr, 0);
    for (;;) {
        auto more = stopping_ ? Expected<bool>(false) : poison_some();
        if (!more || !*more) break;
    }
    (void)::eventfd_write(news_.get(), 1);
    serve_the_dead();
}

// Error: there is no memory any more. False: nothing is missing that is not poisoned.
Expected<bool> PageFetcher::poison_some() {
    constexpr uint64_t kAtOnce = uint64_t{1} << 18;  // pages
    TRY(take_events());
    PageRun run{};
    {
        std::lock_guard lock(mutex_);
        run = missing_.next(0, kEverything, kAtOnce);
    }
    if (run.start == run.end) return false;
    auto placed = in_one_mapping(run.end - run.start, [&](uint64_t size) { return faults_.poison(run.start, size); });
    if (placed.bytes == 0 && placed.code == EAGAIN) {
        ::sched_yield();
        return true;
    }
    if (placed.bytes == 0 && placed.code != EEXIST && placed.code != ENOENT) return fail_code(placed.code, "poison memory");
    if (placed.bytes == 0) faults_.wake(run.start, kPageBytes);
    std::lock_guard lock(mutex_);
    missing_.remove(run.start, run.start + std::max(placed.bytes, kPageBytes));
    return true;
}

// What changes its mappings waits for its events to be taken, killed or not; holes are still zeros.
void PageFetcher::serve_the_dead() {
    while (!stopping_) {
        pollfd fds[2] = {{faults_.fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
        if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
        auto events = take_events();
        if (!events) return;
        for (const auto& e : *events)
            if (e.kind == UserFault::Event::Kind::Missing) (void)fill_with_zeros(e.start);
    }
}

}  // namespace pmi

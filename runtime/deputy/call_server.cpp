#include "runtime/deputy/call_server.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "remote/movers/file_comparison.h"
#include "remote/wire/lasting.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"
#include "runtime/deputy/home_clock.h"
#include "runtime/deputy/thread_credentials.h"
#include "runtime/deputy/truncation.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {
namespace {

constexpr uint64_t kMostMapped = 192ull << 20;  // bytes of a file in one reply
constexpr int64_t kQuickNs = 80'000;  // what looking out for a call's end may take; twice what it takes to be woken for it

void futex_wake(uint32_t* word) { ::syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0); }
void futex_wait(uint32_t* word, uint32_t value) { ::syscall(SYS_futex, word, FUTEX_WAIT, value, nullptr, nullptr, 0); }

uint32_t load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }
void store(uint32_t& word, uint32_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }

}  // namespace

CallServer::CallServer(std::shared_ptr<AgentRegion> region, WatchedFiles& files) : region_(std::move(region)), files_(files) {}

Status CallServer::start() {
    TRY_ASSIGN(completions_, start_thread([this] { run_completions(); }));
    return {};
}

CallServer::~CallServer() {
    stopping_ = true;
    wake_completions();
    if (completions_.joinable()) completions_.join();
}

Status CallServer::add_thread(HomePid pid, HomePid tid, uint32_t slot) {
    std::lock_guard lock(mutex_);
    Thread& t = threads_[tid] = Thread();
    t.pid = pid;
    t.slot = slot;
    return {};
}

void CallServer::remove_thread(HomePid tid) {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it == threads_.end()) return;
    region_->free_slot(it->second.slot);
    threads_.erase(it);
}

std::optional<uint32_t> CallServer::slot_of(HomePid tid) const {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    return it == threads_.end() ? std::nullopt : std::optional(it->second.slot);
}

void CallServer::set_channel(HomePid pid, std::shared_ptr<CallChannel> channel) {
    std::lock_guard lock(mutex_);
    if (channel == nullptr)
        channels_.erase(pid), facts_.erase(pid);
    else
        channels_[pid] = std::move(channel);
}

std::optional<CallServer::Progress> CallServer::in_progress(HomePid tid) const {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it == threads_.end() || !it->second.work) return std::nullopt;
    const Work& w = *it->second.work;
    return Progress{w.head, w.call.nr, w.began_ns, w.deadline};
}

Status CallServer::without_large_calls(HomePid pid, const std::function<Status()>& work) {
    std::lock_guard lock(mutex_);
    for (const auto& [tid, t] : threads_)
        if (t.pid == pid && t.work && (t.work->buffer != 0 || t.work->stage != Stage::Call))
            return fail_code(EBUSY, "thread {} makes a large call", tid.value);
    return work();
}

bool CallServer::prepares_call(HomePid tid, bool cancel) {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it == threads_.end() || !it->second.work || it->second.work->stage == Stage::Call) return false;
    it->second.work->cancelled |= cancel;
    return true;
}

void CallServer::answer(HomePid tid, int64_t result) {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it == threads_.end() || !it->second.work) return;
    reply(it->second, Reply{result, {}});
    wake_completions();
}

void CallServer::note_issued_again(HomePid tid) {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it != threads_.end() && it->second.work) it->second.work->began_ns = monotonic_ns();
}

void CallServer::note_transferred(HomePid tid, uint64_t bytes) {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it != threads_.end() && it->second.work) it->second.work->transferred += bytes;
}

void CallServer::note_partial(HomePid tid) {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it != threads_.end() && it->second.work) it->second.work->partial = true;
}

void CallServer::set_deadline(HomePid tid, const CallDeadline& deadline) {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it != threads_.end() && it->second.work) it->second.work->deadline = deadline;
}

void CallServer::keep_deadline(HomePid tid, const CallDeadline& deadline) {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    if (it != threads_.end()) it->second.kept = deadline;
}

std::optional<CallDeadline> CallServer::kept_deadline(HomePid tid) const {
    std::lock_guard lock(mutex_);
    auto it = threads_.find(tid);
    return it == threads_.end() ? std::nullopt : it->second.kept;
}

std::vector<CallServer::Due> CallServer::deadlines_of(HomePid pid) const {
    std::lock_guard lock(mutex_);
    std::vector<Due> due;
    for (const auto& [tid, t] : threads_)
        if (t.pid == pid && t.work && t.work->deadline) due.push_back({tid, t.work->deadline->at_ns});
    return due;
}

uint64_t CallServer::calls_of(HomePid pid) const {
    std::lock_guard lock(mutex_);
    auto it = calls_.find(pid);
    return it == calls_.end() ? 0 : it->second;
}

Status CallServer::begin(const CallHead& head, Call call, Watch watch) {
    std::optional<Reply> answered;
    if (head.kind == CallKind::WatchFile) answered = watch_file(head, call);
    HomePid pid(head.pid), tid(head.tid);
    if (files_.would_change(pid, tid, call) || would_cut_mapped_file(tid, call)) answered = Reply{kErestartNoIntr, {}};
    // Its SIGBUS comes before the call that follows the stores. (Half a clone can't go home, nor half a mapping.)
    bool is_half = head.kind == CallKind::Clone || head.kind == CallKind::CompareFile;
    if (!is_half && files_.has_lost(pid)) answered = Reply{kErestartNoIntr, {}};
    if (head.kind == CallKind::CompareFile) {
        TRY_ASSIGN(answered, compare_file(head, call));
    }
    std::unique_lock lock(mutex_);
    auto it = threads_.find(HomePid(head.tid));
    if (it == threads_.end()) return {};  // it exited or was killed; ThreadGone or ProcessGone is on its way
    Thread& t = it->second;
    if (t.pid.value != head.pid) return fail("a call of thread {} for process {}", head.tid, head.pid);
    bool waits = std::any_of(answers_.begin(), answers_.end(), [&](const Answer& a) { return a.head.tid == head.tid; });
    if (t.work || waits) return fail("a second call of thread {} while one is going on", head.tid);
    calls_[t.pid]++;
    t.work = Work{};  // clang 14 knows of no default constructor here, since Work is nested
    t.work->head = head;
    t.work->call = std::move(call);
    t.work->began_ns = t.work->came_ns = monotonic_ns();
    auto kept = std::exchange(t.kept, std::nullopt);
    if (head.again != 0 && kept && kept->nr == t.work->call.nr) t.work->deadline = kept;
    if (head.kind == CallKind::Clone && !answered && !has_room_for_clone()) answered = Reply{kErestartNoIntr, {}};
    if (answered) {
        bool home_first = answered->result == kErestartNoIntr;
        reply(t, std::move(*answered), home_first);
        wake_completions();
        return {};
    }
    uint32_t needed = t.work->call.arena_size;
    if (needed > kArenaSize && needed <= kLargeArenaSize) t.work->large = region_->take_large_arena();
    if (needed <= kArenaSize || t.work->large) {
        bool watches = watch == Watch::Yes && t.is_quick;
        if (watches) __atomic_fetch_add(&region_->header()->watchers, 1, __ATOMIC_SEQ_CST);
        post_call(t);
        const Slot& slot = *region_->slot(t.slot);
        lock.unlock();
        if (watches) look_out(slot);
        return {};
    }
    t.work->stage = Stage::MapBuffer;
    uint64_t size = (uint64_t{needed} + kPage - 1) & ~(kPage - 1);
    post(t, SYS_mmap, {0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, static_cast<uint64_t>(-1), 0});
    return {};
}

// Under the lock; this clone is one of those under way.
bool CallServer::has_room_for_clone() const {
    auto clones = std::count_if(threads_.begin(), threads_.end(),
                                [](const auto& t) { return t.second.work && t.second.work->head.kind == CallKind::Clone; });
    return region_->free_slots() >= static_cast<size_t>(clones);
}

void CallServer::post(Thread& t, int64_t nr, const std::array<uint64_t, 6>& args) {
    Slot& slot = *region_->slot(t.slot);
    slot.nr = nr;
    std::copy(args.begin(), args.end(), slot.args);
    bool sets_mask = t.work->stage == Stage::Call && t.work->head.sets_mask != 0;
    slot.mask = t.work->head.mask;
    slot.sets_mask = sets_mask ? 1 : 0;
    store(slot.state, kSlotRequest);
    futex_wake(&slot.state);
}

void CallServer::post_call(Thread& t) {
    Work& w = *t.work;
    w.stage = Stage::Call;
    if (w.buffer == 0) {
        auto args = lay_out(w.call, arena_of(t), w.large ? w.large->address() : region_->arena_address(t.slot));
        post(t, w.call.nr, args);
        return;
    }
    std::vector<std::byte> arena(w.call.arena_size);
    auto args = lay_out(w.call, arena, w.buffer);
    if (auto written = RemoteMemory(w.head.tid).write(w.buffer, arena); !written)
        spdlog::error("lay out a large call of thread {}: {}", w.head.tid, written.error().message());
    post(t, w.call.nr, args);
}

std::span<std::byte> CallServer::arena_of(const Thread& t) const {
    return t.work->large ? t.work->large->memory() : region_->arena(t.slot);
}

void CallServer::run_completions() {
    AgentHeader& header = *region_->header();
    while (!stopping_) {
        uint32_t seen = load(header.completions);
        complete_all();
        if (!stopping_) futex_wait(&header.completions, seen);
    }
}

void CallServer::wake_completions() {
    __atomic_fetch_add(&region_->header()->completions, 1, __ATOMIC_ACQ_REL);
    futex_wake(&region_->header()->completions);
}

void CallServer::complete_all() {
    std::unique_lock lock(mutex_);
    take_completed();
    send_answers(lock);
}

void CallServer::take_completed() {
    for (auto& [tid, t] : threads_)
        if (t.work && load(region_->slot(t.slot)->state) == kSlotDone) complete(t);
}

// The CPU is anybody's who wants it, first of all the deputy's. Behind it, all slots: nobody was woken for those either.
void CallServer::look_out(const Slot& slot) {
    int64_t end = monotonic_ns() + kQuickNs;
    auto is_done = [&] { return load(slot.state) == kSlotDone || load(slot.state) == kSlotIdle; };
    while (!is_done() && monotonic_ns() < end) ::sched_yield();
    __atomic_fetch_sub(&region_->header()->watchers, 1, __ATOMIC_SEQ_CST);
    std::unique_lock lock(mutex_);
    take_completed();
    send_small_answers(lock);
}

// One sends at a time, so that they go in their order.
void CallServer::send_answers(std::unique_lock<std::mutex>& lock) {
    auto send = [](CallChannel& channel, FrameType type, auto head, const auto& tail) -> Expected<bool> {
        TRY(channel.send(static_cast<uint8_t>(type), head, tail));
        return true;
    };
    while (!is_sending_ && !answers_.empty()) send_first(lock, send);
}

// By a thread that may not wait; what it can't send, completions_ does.
void CallServer::send_small_answers(std::unique_lock<std::mutex>& lock) {
    auto send = [](CallChannel& channel, FrameType type, auto head, const auto& tail) {
        return channel.try_send(static_cast<uint8_t>(type), head, tail);
    };
    while (!is_sending_ && !answers_.empty())
        if (!send_first(lock, send)) break;
    if (!answers_.empty()) wake_completions();
}

// False: it was not sent, and is the first still.
bool CallServer::send_first(std::unique_lock<std::mutex>& lock, const Send& send) {
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    is_sending_ = true;
    lock.unlock();
    CallChannel& channel = *answer.channel;
    auto sent = answer.clock ? send(channel, FrameType::Clock, head_bytes(*answer.clock), {})
                             : send(channel, FrameType::Reply, head_bytes(answer.head), encode(answer.reply).parts);
    if (!sent) spdlog::warn("answer to thread {}: {}", answer.head.tid, sent.error().message());
    bool is_done = !sent || *sent;
    if (is_done) answer.large.reset();
    lock.lock();
    is_sending_ = false;
    if (!is_done) {
        answers_.push_front(std::move(answer));
        return false;
    }
    sent_++;
    more_sent_.notify_all();
    return true;
}

void CallServer::wait_until_sent() {
    std::unique_lock lock(mutex_);
    uint64_t so_far = sent_ + answers_.size() + (is_sending_ ? 1 : 0);
    more_sent_.wait(lock, [&] { return sent_ >= so_far; });
}

void CallServer::complete(Thread& t) {
    Slot& slot = *region_->slot(t.slot);
    int64_t result = slot.result;
    store(slot.state, kSlotIdle);
    Work& w = *t.work;
    if (w.stage == Stage::Call) return complete_call(t, result);
    if (w.stage == Stage::UnmapBuffer) return reply(t, std::move(*w.reply));
    if (result < 0 && result >= -4095) return reply(t, Reply{-ENOMEM, {}});
    w.buffer = static_cast<uint64_t>(result);
    if (!w.cancelled) return post_call(t);
    Reply not_made;
    not_made.result = kErestartNoIntr;
    unmap_buffer(t, std::move(not_made));
}

void CallServer::complete_call(Thread& t, int64_t result) {
    Work& w = *t.work;
    // What was transferred is the result, even where the rest fails.
    // Where the rest was not even asked for, that is no result yet: a signal may end the call with it, a move does not.
    if (w.transferred != 0 && is_restart(result)) w.partial = true;
    if (w.transferred != 0) result = static_cast<int64_t>(w.transferred) + std::max<int64_t>(0, result);
    w.partial = w.partial && result > 0;
    if (w.buffer == 0) {
        Reply r = collect(w.call, arena_of(t).first(w.call.arena_size), result);
        if (w.head.kind == CallKind::MapFile && (result >= 0 || result < -4095)) add_mapped_file(t, r);
        return reply(t, std::move(r));
    }
    ByteBuffer arena(w.call.arena_size);
    if (auto got = RemoteMemory(w.head.tid).read(w.buffer, arena); !got)
        spdlog::error("read a large call's result of thread {}: {}", w.head.tid, got.error().message());
    Reply r = collect(w.call, arena, result);
    r.kept.push_back(std::move(arena));
    unmap_buffer(t, std::move(r));
}

void CallServer::unmap_buffer(Thread& t, Reply reply) {
    Work& w = *t.work;
    w.reply = std::move(reply);
    w.stage = Stage::UnmapBuffer;
    uint64_t size = (w.call.arena_size + kPage - 1) & ~(kPage - 1);
    post(t, SYS_munmap, {w.buffer, size, 0, 0, 0, 0});
}

void CallServer::tell_clock(std::shared_ptr<CallChannel> channel, const ClockHead& question) {
    std::lock_guard lock(mutex_);
    bool waits = std::any_of(answers_.begin(), answers_.end(), [&](const Answer& a) { return a.clock && a.channel == channel; });
    if (waits) return;
    Answer answer{std::move(channel)};
    answer.clock = read_wall_clock(question.asked_ns);
    answers_.push_back(std::move(answer));
    wake_completions();
}

// What the deputy has just mapped: which file it is, and what it shows.
void CallServer::add_mapped_file(Thread& t, Reply& reply) {
    const Work& w = *t.work;
    auto address = static_cast<uint64_t>(reply.result);
    auto maps = read_maps(w.head.tid);
    MapFileInfo info{};
    if (maps) {
        for (const auto& m : *maps) {
            if (m.start > address || m.end <= address) continue;
            info.device = uint64_t{m.dev_major} << 32 | m.dev_minor;
            info.inode = m.inode;
            std::strncpy(info.name, m.name.c_str(), sizeof info.name - 1);
        }
    }
    struct stat st {};
    int fd = static_cast<int>(w.call.args[4]);
    if (::stat(fmt::format("/proc/{}/fd/{}", w.head.tid, fd).c_str(), &st) == 0) info.size = static_cast<uint64_t>(st.st_size);
    bool is_code = (w.call.args[2] & PROT_EXEC) != 0;
    if ((w.call.args[3] & MAP_TYPE) == MAP_PRIVATE) files_.watch_private(t.pid, HomePid(w.head.tid), fd, is_code);
    info.writable = WatchedFiles::is_writable(HomePid(w.head.tid), fd) ? 1 : 0;
    info.written_back = files_.number_of(t.pid, HomePid(w.head.tid), fd);
    uint64_t file_end = (info.size + kPage - 1) & ~(kPage - 1);
    uint64_t offset = w.call.args[5];
    uint64_t length = (w.call.args[1] + kPage - 1) & ~(kPage - 1);
    length = offset >= file_end ? 0 : std::min({length, file_end - offset, kMostMapped});  // no node asks for more
    info.shown = length;
    t.mapped = {address, address + length};
    // What it stores in is followed from what home has now.
    bool asks = length >= kWorthComparing && info.written_back == 0;
    ByteBuffer data(sizeof info + (asks ? 0 : length));
    std::memcpy(data.data(), &info, sizeof info);
    if (auto got = RemoteMemory(w.head.tid).read(address, std::span(data).subspan(sizeof info)); !got)
        spdlog::error("read {}: {}", info.name, got.error().message());
    reply.out = {{0, data}};
    reply.kept.push_back(std::move(data));
}

// Of what it has just mapped, and of nothing else.
Expected<Reply> CallServer::compare_file(const CallHead& head, const Call& call) const {
    AddressRange mapped;
    {
        std::lock_guard lock(mutex_);
        auto it = threads_.find(HomePid(head.tid));
        if (it == threads_.end()) return Reply{};  // whoever begins it finds the same
        mapped = it->second.mapped;
    }
    if (call.in.size() != 1) return fail("a question about a file in {} pieces", call.in.size());
    TRY_ASSIGN(FileQuestion question, parse_file_question(call.in[0].bytes));
    uint64_t size = question.hashes.size() * kStoredPage;
    if (call.args[0] != mapped.start || call.args[1] != size || size != mapped.end - mapped.start)
        return fail("a question about {} bytes at {:#x}, where no file was mapped", size, call.args[0]);
    RemoteMemory memory(head.tid);
    ByteBuffer bytes = make_file_answer(question, [&](size_t number, std::span<std::byte> page) {
        // The file may have been cut meanwhile.
        if (!memory.read(mapped.start + number * kStoredPage, page)) std::fill(page.begin(), page.end(), std::byte{0});
    });
    Reply reply;
    reply.out = {{0, bytes}};
    reply.kept.push_back(std::move(bytes));
    return reply;
}

// The descriptor may be any number: the guest's mmap will find out.
Reply CallServer::watch_file(const CallHead& head, const Call& call) {
    auto watched = files_.watch_shared(HomePid(head.pid), HomePid(head.tid), static_cast<int>(call.args[0]));
    if (watched) return Reply{};
    spdlog::info("process {} goes home: {}", head.pid, watched.error().message());
    return Reply{kErestartNoIntr, {}};
}

bool CallServer::lasts(const Thread& t, int64_t result) {
    const Row* row = find_row(t.work->call.nr);
    if (row == nullptr || row->lasts == Known::Nothing) return false;
    auto [facts, is_new] = facts_.try_emplace(t.pid);
    if (is_new) facts->second = read_lasting_facts(t.pid);
    return answer_lasts(t.work->call, result, t.pid, facts->second);
}

// In the order of the results, by whoever has the lock; sent without it.
void CallServer::reply(Thread& t, Reply reply, bool home_first) {
    CallHead head = t.work->head;
    head.partial = t.work->partial;
    int64_t took_ns = monotonic_ns() - t.work->came_ns;
    t.is_quick = took_ns < kQuickNs;
    head.served_ns = static_cast<uint32_t>(std::clamp<int64_t>(took_ns, 0, UINT32_MAX));
    bool is_plain = head.kind == CallKind::Plain && !is_restart(reply.result);
    head.home_first = home_first || (is_plain && files_.changed(t.pid)) ? 1 : 0;
    head.lasts = is_plain && lasts(t, reply.result) ? kLastsForThread : 0;
    bool is_credentials = head.lasts != 0 && find_row(t.work->call.nr)->lasts == Known::Credentials;
    if (is_credentials && same_credentials(t.pid)) head.lasts = kLastsForAll;
    t.kept = t.work->deadline;
    auto large = std::move(t.work->large);
    t.work.reset();
    auto it = channels_.find(t.pid);
    if (it != channels_.end()) answers_.push_back({it->second, head, std::move(reply), std::move(large)});
}

}  // namespace pmi

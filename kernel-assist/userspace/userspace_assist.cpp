#include "kernel-assist/userspace/userspace_assist.h"

#include <algorithm>
#include <deque>
#include <memory>

#include "runtime/tracee/trap_disposition.h"

namespace pmi {

uint64_t Batch::data(const void* bytes, size_t size) {
    uint64_t at = data_at() + data_.size();
    size_t rounded = (size + 15) & ~size_t{15};
    PMI_ASSERT(data_.size() + rounded <= data_room());
    if (bytes != nullptr) data_.append(static_cast<const char*>(bytes), size);
    data_.resize(at - data_at() + rounded, '\0');
    return at;
}

size_t Batch::call(int64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5) {
    ops_.push_back(BatchOp{nr, {a0, a1, a2, a3, a4, a5}, 0});
    return ops_.size() - 1;
}

Status Batch::write_data() { return data_.empty() ? Status() : memory_.write(data_at(), std::as_bytes(std::span(data_))); }
Status Batch::read_data() { return data_.empty() ? Status() : memory_.read(data_at(), std::as_writable_bytes(std::span(data_))); }

Status Batch::run() {
    TRY(write_data());
    for (size_t at = 0; at < ops_.size(); at += most_calls()) {
        auto from = ops_.begin() + static_cast<ptrdiff_t>(at),
             to = from + static_cast<ptrdiff_t>(std::min(most_calls(), ops_.size() - at));
        std::vector<BatchOp> some(from, to);
        TRY(injector_.batch(agent_.base, agent_.scratch, some, memory_));
        std::copy(some.begin(), some.end(), from);
    }
    return read_data();
}

Status Batch::begin() {
    PMI_ASSERT(ops_.size() <= most_calls());
    TRY(write_data());
    return injector_.begin_batch(agent_.base, agent_.scratch, ops_, memory_);
}

Status Batch::end() {
    TRY(injector_.end_batch(agent_.base, agent_.scratch, ops_, memory_));
    return read_data();
}

Status Batch::check(size_t call, const char* what) const {
    if (ops_[call].result >= 0) return {};
    return fail_code(static_cast<int>(-ops_[call].result), "{} in thread {}", what, tid_);
}

std::string Batch::bytes(uint64_t address, size_t size) const {
    size_t at = address - data_at();
    PMI_ASSERT(at + size <= data_.size());
    return data_.substr(at, size);
}

Status run_batches(const std::vector<pid_t>& tids, AgentPlace agent, StopWaiter& waiter, const FillBatch& fill,
                   const TakeBatch& take) {
    constexpr size_t kAtOnce = 16;
    if (tids.empty()) return {};
    bool keeps_ignored = ignores_trap(tids.front());
    std::deque<std::unique_ptr<Batch>> under_way;  // of the last ones that were begun
    size_t ended = 0;
    Status result;
    auto end_oldest = [&] {
        auto done = under_way.front()->end();
        if (done) done = take(ended, *under_way.front());
        if (!done && result) result = std::move(done);
        under_way.pop_front();
        ended++;
    };
    for (size_t i = 0; i < tids.size() && result; i++) {
        if (under_way.size() == kAtOnce) end_oldest();
        auto batch = std::make_unique<Batch>(tids[i], tids[i], agent.part(i % kAtOnce, kAtOnce), waiter);
        fill(i, *batch);
        auto begun = batch->begin();
        if (begun)
            under_way.push_back(std::move(batch));
        else if (result)
            result = std::move(begun);
    }
    while (!under_way.empty()) end_oldest();
    if (!result || !keeps_ignored) return result;
    uint64_t instruction = agent_address(agent.base, pmi_agent_syscall);
    return ignore_trap(tids.front(), instruction, agent.scratch, RemoteMemory(tids.front()), waiter);
}

std::unique_ptr<Assist> make_assist() { return std::make_unique<UserspaceAssist>(); }

}  // namespace pmi

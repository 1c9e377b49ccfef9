#include "kernel-assist/userspace/userspace_assist.h"

namespace pmi {

uint64_t Batch::data(const void* bytes, size_t size) {
    uint64_t at = agent_.scratch + kDataOffset + data_.size();
    size_t rounded = (size + 15) & ~size_t{15};
    PMI_ASSERT(data_.size() + rounded <= kDataSize);
    if (bytes != nullptr) data_.append(static_cast<const char*>(bytes), size);
    data_.resize(at - agent_.scratch - kDataOffset + rounded, '\0');
    return at;
}

size_t Batch::call(int64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5) {
    PMI_ASSERT((ops_.size() + 1) * sizeof(BatchOp) <= kDataOffset);
    ops_.push_back(BatchOp{nr, {a0, a1, a2, a3, a4, a5}, 0});
    return ops_.size() - 1;
}

Status Batch::run() {
    if (!data_.empty()) TRY(memory_.write(agent_.scratch + kDataOffset, std::as_bytes(std::span(data_))));
    TRY(Injector(tid_, waiter_).batch(agent_.base, agent_.scratch, ops_, memory_));
    if (!data_.empty()) TRY(memory_.read(agent_.scratch + kDataOffset, std::as_writable_bytes(std::span(data_))));
    return {};
}

Status Batch::check(size_t call, const char* what) const {
    if (ops_[call].result >= 0) return {};
    return fail_code(static_cast<int>(-ops_[call].result), "{} in thread {}", what, tid_);
}

std::string Batch::bytes(uint64_t address, size_t size) const {
    size_t at = address - agent_.scratch - kDataOffset;
    PMI_ASSERT(at + size <= data_.size());
    return data_.substr(at, size);
}

std::unique_ptr<Assist> make_assist() { return std::make_unique<UserspaceAssist>(); }

}  // namespace pmi

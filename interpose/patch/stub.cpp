#include "interpose/patch/stub.h"

#include <cstring>

#include "interpose/patch/answers.h"

namespace pmi {
namespace {

// Offsets of its instructions.
constexpr uint64_t kBegin = 0, kTest = 6, kTakeAnswer = 8, kDone = 14, kLeave = 21, kLoad = 26, kCall = 31, kCalled = 33, kEnd = 35;

class Code {
  public:
    explicit Code(uint64_t address) : address_(address) { bytes_.fill(std::byte{0xcc}); }
    template <size_t N>
    void add(const unsigned char (&bytes)[N]) {
        PMI_ASSERT(size_ + N <= bytes_.size());
        std::memcpy(bytes_.data() + size_, bytes, N);
        size_ += N;
    }
    // How far `target` is from the instruction's end: its last four bytes say it.
    Status add_distance(uint64_t target) {
        auto distance = static_cast<int64_t>(target - (address_ + size_ + sizeof(int32_t)));
        if (distance != static_cast<int32_t>(distance)) return fail("the agent is out of its reach");
        return add_number(static_cast<uint32_t>(distance));
    }
    Status add_number(uint32_t number) {
        PMI_ASSERT(size_ + sizeof number <= bytes_.size());
        std::memcpy(bytes_.data() + size_, &number, sizeof number);
        size_ += sizeof number;
        return {};
    }
    uint64_t size() const { return size_; }
    const StubCode& bytes() const { return bytes_; }

  private:
    uint64_t address_;
    StubCode bytes_{};
    size_t size_ = 0;
};

}  // namespace

Expected<StubCode> make_stub_code(const Site& site, uint64_t address, uint64_t answer) {
    constexpr unsigned char kMovEcx[] = {0x8b, 0x0d}, kJrcxz[] = {0xe3, kLoad - kTakeAnswer}, kMovEaxThere[] = {0x8b, 0x05},
                            kLeaRcx[] = {0x48, 0x8d, 0x0d}, kJmp[] = {0xe9}, kMovEax[] = {0xb8}, kSyscall[] = {0x0f, 0x05},
                            kJmpDone[] = {0xeb, 256 - (kEnd - kDone)};
    Code code(address);
    code.add(kMovEcx);
    TRY(code.add_distance(answer + offsetof(Answer, is_known)));
    code.add(kJrcxz);
    code.add(kMovEaxThere);
    TRY(code.add_distance(answer + offsetof(Answer, result)));
    PMI_ASSERT(code.size() == kDone);
    code.add(kLeaRcx);
    TRY(code.add_distance(site.resume));
    code.add(kJmp);
    TRY(code.add_distance(site.resume));
    PMI_ASSERT(code.size() == kLoad);
    code.add(kMovEax);
    TRY(code.add_number(static_cast<uint32_t>(site.nr)));
    code.add(kSyscall);
    PMI_ASSERT(code.size() == kCalled);
    code.add(kJmpDone);
    PMI_ASSERT(code.size() == kEnd);
    return code.bytes();
}

bool put_outside(const Site& site, uint64_t address, StubRegisters& r) {
    switch (r.rip - address) {
        case kBegin:
        case kTest:
        case kTakeAnswer:
        case kLoad: r.rip = site.load; return true;
        case kCall: r.rip = site.syscall(); return true;
        case kDone:
        case kLeave:
        case kCalled: r.rip = r.rcx = site.resume; return true;
        default: return false;
    }
}

}  // namespace pmi

#include "remote/transport/aes_gcm.h"

#include <intel-ipsec-mb.h>
#include <sodium.h>

#include "remote/transport/raw_bytes.h"
#include "runtime/base/error.h"

namespace pmi {

namespace {

// The functions for this CPU. Nothing in it changes once it is there, and it is never given back: threads may seal to the end.
const IMB_MGR& functions() {
    static const IMB_MGR* const manager = [] {
        IMB_MGR* made = ::alloc_mb_mgr(0);
        PMI_ASSERT(made != nullptr);
        ::init_mb_mgr_auto(made, nullptr);
        return made;
    }();
    return *manager;
}

}  // namespace

struct AesGcm::Key {
    gcm_key_data schedule;
    gcm_context_data context;
    ~Key() {
        ::sodium_memzero(&schedule, sizeof schedule);
        ::sodium_memzero(&context, sizeof context);
    }
};

void warm_up_aes_gcm() { (void)functions(); }

AesGcm::AesGcm(const CipherKey& key) : key_(std::make_unique<Key>()) {
    IMB_AES256_GCM_PRE(&functions(), key.data(), &key_->schedule);
}
AesGcm::~AesGcm() = default;
AesGcm::AesGcm(AesGcm&&) noexcept = default;
AesGcm& AesGcm::operator=(AesGcm&&) noexcept = default;

void AesGcm::seal(const Nonce& nonce, std::span<const std::byte> header, Pieces from, std::span<std::byte> to,
                  std::span<std::byte, kSealOverhead> tag) {
    const IMB_MGR* f = &functions();
    IMB_AES256_GCM_INIT(f, &key_->schedule, &key_->context, nonce.data(), raw(header), header.size());
    size_t done = 0;
    for (auto piece : from) {
        auto there = to.subspan(done, piece.size());
        if (!piece.empty()) IMB_AES256_GCM_ENC_UPDATE(f, &key_->schedule, &key_->context, raw(there), raw(piece), piece.size());
        done += piece.size();
    }
    PMI_ASSERT(done == to.size());
    IMB_AES256_GCM_ENC_FINALIZE(f, &key_->schedule, &key_->context, raw(tag), tag.size());
}

bool AesGcm::open(const Nonce& nonce, std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
                  std::span<const std::byte, kSealOverhead> tag) {
    PMI_ASSERT(from.size() == to.size());
    const IMB_MGR* f = &functions();
    std::array<unsigned char, kSealOverhead> expected{};
    IMB_AES256_GCM_INIT(f, &key_->schedule, &key_->context, nonce.data(), raw(header), header.size());
    if (!from.empty()) IMB_AES256_GCM_DEC_UPDATE(f, &key_->schedule, &key_->context, raw(to), raw(from), from.size());
    IMB_AES256_GCM_DEC_FINALIZE(f, &key_->schedule, &key_->context, expected.data(), expected.size());
    return ::sodium_memcmp(expected.data(), tag.data(), expected.size()) == 0;
}

}  // namespace pmi

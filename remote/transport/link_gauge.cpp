#include "remote/transport/link_gauge.h"

namespace pmi {
namespace {

constexpr size_t kWorthwhile = 16384;  // bytes
constexpr double kNewest = 0.25;
// A link of more than 1 GB/s is faster than any compressor on one CPU.
constexpr double kFastLink = 1.0;
constexpr unsigned kTryEvery = 32;  // messages: what did not pay may pay now
constexpr double kMargin = 0.8;     // what is saved has to be clear

void take(double* known, double now) { *known = *known == 0 ? now : *known + kNewest * (now - *known); }

}  // namespace

bool LinkGauge::wants_compression(size_t size) {
    if (size < kWorthwhile || send_ns_ < kFastLink) return false;
    bool pays = compress_ns_ > 0 && compress_ns_ < kMargin * send_ns_ * (1 - left_);
    bool is_due = compress_ns_ == 0 || ++since_trial_ >= kTryEvery;
    if (!pays && !is_due) return false;
    since_trial_ = 0;
    return true;
}

void LinkGauge::sent(size_t bytes, int64_t ns) {
    if (bytes >= kWorthwhile / 4) take(&send_ns_, static_cast<double>(ns) / static_cast<double>(bytes));
}

void LinkGauge::compressed(size_t from, size_t to, int64_t ns) {
    take(&compress_ns_, static_cast<double>(ns) / static_cast<double>(from));
    take(&left_, static_cast<double>(to) / static_cast<double>(from));
}

}  // namespace pmi

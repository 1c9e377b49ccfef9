#include "runtime/guest/signals_from_home.h"

#include <algorithm>

namespace pmi {
namespace {

bool is_expiration_of(const siginfo_t& known, const siginfo_t& info) {
    return known.si_code == SI_TIMER && known.si_signo == info.si_signo && known.si_timerid == info.si_timerid;
}

}  // namespace

uint64_t SignalsFromHome::add(HomePid tid, const siginfo_t& info) {
    queued_[next_number_] = {tid, info};
    return next_number_++;
}

std::optional<siginfo_t> SignalsFromHome::find(uint64_t number) const {
    auto it = queued_.find(number);
    return it == queued_.end() ? std::nullopt : std::optional(it->second.info);
}

std::optional<siginfo_t> SignalsFromHome::take(uint64_t number, int signal) {
    auto it = queued_.find(number);
    if (it == queued_.end() || it->second.info.si_signo != signal) return std::nullopt;
    siginfo_t info = it->second.info;
    queued_.erase(it);
    return info;
}

std::optional<siginfo_t> SignalsFromHome::take_first(HomePid tid, int signal) {
    for (const auto& [number, q] : queued_)
        if (q.tid == tid && q.info.si_signo == signal) return take(number, signal);
    return std::nullopt;
}

bool SignalsFromHome::merge_expiration(HomePid tid, const siginfo_t& info) {
    if (info.si_code != SI_TIMER) return false;
    auto count_in = [&](HomePid of, siginfo_t& known) {
        if (of != tid || !is_expiration_of(known, info)) return false;
        known.si_overrun += 1 + info.si_overrun;
        return true;
    };
    return std::any_of(queued_.begin(), queued_.end(),
                       [&](auto& entry) { return count_in(entry.second.tid, entry.second.info); }) ||
           std::any_of(held_.begin(), held_.end(), [&](auto& entry) { return count_in(entry.first, entry.second); });
}

bool SignalsFromHome::holds_for(HomePid tid) const {
    return std::any_of(held_.begin(), held_.end(), [&](const auto& entry) { return entry.first == tid; });
}

std::optional<std::pair<HomePid, siginfo_t>> SignalsFromHome::next_held() const {
    return held_.empty() ? std::nullopt : std::optional(held_.front());
}

std::vector<siginfo_t> SignalsFromHome::held_for(HomePid tid) const {
    std::vector<siginfo_t> infos;
    for (const auto& [of, info] : held_)
        if (of == tid) infos.push_back(info);
    return infos;
}

}  // namespace pmi

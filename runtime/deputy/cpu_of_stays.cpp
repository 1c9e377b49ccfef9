#include "runtime/deputy/cpu_of_stays.h"

#include <signal.h>
#include <sys/resource.h>

#include <map>
#include <vector>

#include "interpose/agent/agent.h"
#include "runtime/kernel/cpu_time.h"

namespace pmi {

using nlohmann::json;

json cpu_used_away(const wire::Image& image) {
    json threads = json::array();
    for (const auto& t : image.threads())
        if (t.cpu_ns() != 0) threads.push_back({t.tid(), t.cpu_ns()});
    return {{"user", image.cpu_user_ns()}, {"system", image.cpu_system_ns()}, {"threads", std::move(threads)}};
}

json cpu_used_away(const CpuHead& head) {
    return {{"user", head.user_ns}, {"system", head.system_ns}, {"threads", {{head.pid, head.thread_ns}}}};
}

static_assert(PMI_CPU_THREADS >= kMaxSlots);

pmi_cpu_account cpu_account_of(const wire::Image& image) {
    pmi_cpu_account account{};
    account.pid = image.pid();
    account.user_ns = static_cast<int64_t>(image.cpu_user_ns());
    account.system_ns = static_cast<int64_t>(image.cpu_system_ns());
    for (const auto& t : image.threads()) {
        if (t.cpu_ns() == 0 || account.threads == PMI_CPU_THREADS) continue;  // a node may say anything
        auto& entry = account.thread[account.threads++];
        entry.tid = t.tid();
        entry.ns = static_cast<int64_t>(t.cpu_ns());
    }
    return account;
}

void note_cpu_of_earlier_stays(const json& used, wire::Image& image) {
    if (!used.is_object()) return;
    image.set_cpu_user_ns(used.value("user", uint64_t{0}));
    image.set_cpu_system_ns(used.value("system", uint64_t{0}));
    std::map<int32_t, uint64_t> of_thread;
    for (const auto& [tid, ns] : used.value("threads", std::vector<std::pair<int32_t, uint64_t>>())) of_thread[tid] = ns;
    for (auto& t : *image.mutable_threads())
        if (auto it = of_thread.find(t.tid()); it != of_thread.end()) t.set_cpu_ns(it->second);
}

void note_cpu_used_at_home(HomePid pid, wire::Image& image) {
    image.set_cpu_home_ns(static_cast<uint64_t>(process_cpu_ns(pid.value)));
    for (auto& t : *image.mutable_threads())
        if (!t.ended()) t.set_cpu_home_ns(static_cast<uint64_t>(thread_cpu_ns(pid.value, t.tid())));
}

int signal_of_cpu_limit(HomePid pid, const wire::Image& image) {
    rlimit limit{};
    if (::prlimit(pid.value, RLIMIT_CPU, nullptr, &limit) != 0) return 0;
    uint64_t seconds =
        (static_cast<uint64_t>(process_cpu_ns(pid.value)) + image.cpu_user_ns() + image.cpu_system_ns()) / 1'000'000'000;
    if (seconds >= limit.rlim_max) return SIGKILL;
    if (seconds < limit.rlim_cur) return 0;
    limit.rlim_cur = seconds + 1;
    if (::prlimit(pid.value, RLIMIT_CPU, &limit, nullptr) != 0) return 0;
    return SIGXCPU;
}

}  // namespace pmi

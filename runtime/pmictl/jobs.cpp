#include "runtime/pmictl/jobs.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/clock.h"
#include "runtime/control/socket_place.h"
#include "runtime/kernel/procfs.h"

namespace pmi::ctl {
namespace {

using control::ControlClient;

// For what a supervisor answers from memory. Its first request may have to wait for its start.
constexpr std::chrono::milliseconds kAnswersWithin(4000);
constexpr time_t kNewbornFor = 10;  // seconds

constexpr int64_t kListensWithinNs = 500'000'000;
constexpr useconds_t kAskAgainUs = 5000;
constexpr int64_t kStartsWithinNs = 2'000'000'000;

// A socket that was just bound refuses connections until its supervisor listens: only an old one is stale.
bool is_newborn(const struct stat& st) { return ::time(nullptr) - st.st_mtime <= kNewbornFor; }

void remove_stale(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0 || st.st_uid != ::geteuid()) return;
    if (!S_ISSOCK(st.st_mode) && !S_ISLNK(st.st_mode)) return;
    if (!is_newborn(st)) ::unlink(path.c_str());
}

Expected<ControlClient> connect(const std::string& path) {
    int64_t end = monotonic_ns() + kListensWithinNs;
    for (;;) {
        auto client = ControlClient::connect(path);
        struct stat st {};
        bool may_listen_soon = !client && client.error().code() == ECONNREFUSED && ::stat(path.c_str(), &st) == 0 && is_newborn(st);
        if (!may_listen_soon || monotonic_ns() > end) return client;
        ::usleep(kAskAgainUs);
    }
}

bool nobody_listens(const Expected<ControlClient>& client) {
    return !client && (client.error().code() == ECONNREFUSED || client.error().code() == ENOENT);
}

std::optional<ControlClient> connect_live(const std::string& path) {
    auto client = connect(path);
    if (client) return std::move(*client);
    if (nobody_listens(client)) remove_stale(path);
    return std::nullopt;
}

// The socket that the process itself names comes first: mostly it is the right one, and the only one to be
// asked.
std::vector<std::string> sockets_for(pid_t pid) {
    auto sockets = control::list_sockets();
    std::string named = read_environ(pid, "PMI_JOB");
    if (auto at = std::find(sockets.begin(), sockets.end(), named); at != sockets.end()) std::rotate(sockets.begin(), at, at + 1);
    return sockets;
}

Error not_found(pid_t pid) {
    auto status = read_status(pid);
    if (!status) return fail("no process {}", pid);
    if (status->tgid != pid) return fail("{} is a thread of process {}", pid, status->tgid);
    if (status->state == 'Z' && status->threads <= 1) return fail("process {} has ended", pid);
    std::string named = read_environ(pid, "PMI_JOB");
    if (!named.empty() && nobody_listens(ControlClient::connect(named)))
        return fail("process {} was started with pmirun, but its supervisor has ended: nobody can move it", pid);
    return fail("process {} belongs to no job of this user (was it started with pmirun?)", pid);
}

Expected<ControlClient> connect_to_one(const std::string& path) {
    auto client = connect(path);
    if (client) return client;
    if (client.error().code() == ECONNREFUSED) return fail("{}: no supervisor listens there any more", path);
    return std::move(client.error());
}

// `pmirun ./app & pmictl migrate $! NODE`: that process may not have become pmirun yet, or pmirun not made its socket.
bool may_be_starting(pid_t pid) {
    auto stat = read_stat(pid);
    if (!stat || stat->state == 'Z') return false;
    int64_t began = static_cast<int64_t>(stat->start_time) * (1'000'000'000 / ::sysconf(_SC_CLK_TCK));
    return clock_ns(CLOCK_BOOTTIME) - began < kStartsWithinNs;
}

Expected<ControlClient> look_for_job_of(pid_t pid, const std::optional<std::string>& control) {
    nlohmann::json question = {{"op", "where"}, {"pid", pid}};
    if (control) {
        TRY_ASSIGN(auto job, connect_to_one(*control));
        TRY(job.ask(question, kAnswersWithin));
        return job;
    }
    std::optional<Error> silent;  // it may be this one's
    for (const auto& path : sockets_for(pid)) {
        auto job = connect_live(path);
        if (!job) continue;
        auto answer = job->ask(question, kAnswersWithin);
        if (answer) return std::move(*job);
        if (answer.error().code() == ETIMEDOUT) silent = std::move(answer.error());
    }
    if (silent) return std::move(*silent);
    TRY(control::check_own_directory());
    return not_found(pid);
}

}  // namespace

Expected<std::vector<ControlClient>> connect_to_jobs(const std::optional<std::string>& control) {
    std::vector<ControlClient> jobs;
    if (control) {
        TRY_ASSIGN(auto job, connect_to_one(*control));
        jobs.push_back(std::move(job));
        return jobs;
    }
    TRY(control::check_own_directory());
    for (const auto& path : control::list_sockets())
        if (auto job = connect_live(path)) jobs.push_back(std::move(*job));
    return jobs;
}

Expected<ControlClient> find_job_of(pid_t pid, const std::optional<std::string>& control) {
    for (;;) {
        auto job = look_for_job_of(pid, control);
        if (job || !may_be_starting(pid)) return job;
        ::usleep(kAskAgainUs);
    }
}

}  // namespace pmi::ctl

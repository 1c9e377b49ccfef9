#include "runtime/pmictl/job_commands.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "runtime/base/escaped.h"
#include "runtime/control/call_table.h"
#include "runtime/control/members.h"
#include "runtime/pmictl/figures.h"
#include "runtime/pmictl/follow_move.h"
#include "runtime/pmictl/jobs.h"
#include "runtime/pmictl/ps_table.h"

namespace pmi::ctl {

using control::string_member;
using nlohmann::json;

namespace {

constexpr int kFailed = 1, kUsage = 2;
constexpr std::chrono::milliseconds kListWithin(4000);

int complain(const std::string& what, int status = kFailed) {
    std::fprintf(stderr, "pmictl: %s\n", escaped(what).c_str());
    return status;
}

std::optional<pid_t> parse_pid(const std::string& text) {
    pid_t pid = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
    return pid;
}

void print_json(const json& value) { std::puts(value.dump(2, ' ', false, json::error_handler_t::replace).c_str()); }

// Runs a request about one process; `ask` sends it and gives the reply, `show` prints it.
template <typename Ask, typename Show>
int about_process(const JobOptions& options, const char* op, Ask ask, Show show) {
    auto pid = parse_pid(options.pid);
    if (!pid) return complain(options.pid + " is no PID", kUsage);
    auto reply = [&]() -> Expected<json> {
        TRY_ASSIGN(auto job, find_job_of(*pid, options.control));
        return ask(job, *pid);
    }();
    if (!reply) return complain(fmt::format("{} {}: {}", op, *pid, reply.error().message()));
    reply->erase("ok");
    reply->erase("id");
    if (options.json)
        print_json(*reply);
    else
        show(*pid, *reply);
    return 0;
}

auto plain(const char* op) {
    return [op](control::ControlClient& job, pid_t pid) { return job.ask({{"op", op}, {"pid", pid}}, std::nullopt); };
}

// What a person may want to know besides.
void show_more(const json& reply) {
    std::string more = more_figures(reply);
    if (!more.empty() && ::isatty(STDERR_FILENO) == 1) std::fprintf(stderr, "%s\n", more.c_str());
}

std::string behind_colon(const std::string& text) { return text.empty() ? text : ": " + text; }

}  // namespace

int run_migrate(const JobOptions& options) {
    auto move = [&](control::ControlClient& job, pid_t pid) {
        json request = {{"op", "migrate"}, {"pid", pid}, {"node", options.node}, {"mode", options.mode}};
        return follow_move(job, pid, std::move(request), fmt::format("{} -> {}", pid, options.node));
    };
    return about_process(options, "migrate", move, [&](pid_t pid, const json& reply) {
        std::string where = string_member(reply, "where").value_or(options.node);
        std::printf("%d runs on %s%s\n", pid, where.c_str(), behind_colon(figures(reply)).c_str());
        show_more(reply);
    });
}

int run_home(const JobOptions& options) {
    auto move = [](control::ControlClient& job, pid_t pid) {
        return follow_move(job, pid, {{"op", "home"}, {"pid", pid}}, fmt::format("{} -> home", pid));
    };
    return about_process(options, "home", move, [](pid_t pid, const json& reply) {
        if (control::bool_member(reply, "already")) {
            std::printf("%d is already at home\n", pid);
            return;
        }
        std::printf("%d is home%s\n", pid, behind_colon(figures(reply)).c_str());
        show_more(reply);
    });
}

int run_where(const JobOptions& options) {
    return about_process(options, "where", plain("where"),
                         [](pid_t, const json& reply) { std::puts(string_member(reply, "where").value_or("unknown").c_str()); });
}

int run_stats(const JobOptions& options) {
    return about_process(options, "stats", plain("stats"),
                         [](pid_t, const json& reply) { std::fputs(control::call_table(reply).c_str(), stdout); });
}

int run_cancel(const JobOptions& options) {
    return about_process(options, "cancel", plain("cancel"),
                         [](pid_t pid, const json&) { std::printf("the move of %d is being cancelled\n", pid); });
}

int run_ps(const JobOptions& options) {
    auto jobs = connect_to_jobs(options.control);
    if (!jobs) return complain("ps: " + jobs.error().message());
    json rows = json::array();
    int status = 0;
    for (auto& job : *jobs) {
        auto reply = job.ask({{"op", "ps"}}, kListWithin);
        // One that was asked for by its path has to answer. Of the others, one that ended in between is no error; one
        // that hangs or makes no sense is worth a line.
        bool ended = !reply && (reply.error().code() == ECONNRESET || reply.error().code() == EPIPE);
        if (!reply && options.control) return complain("ps: " + reply.error().message());
        if (!reply && !ended) status = complain("ps: " + reply.error().message());
        if (!reply) continue;
        for (auto& row : (*reply)["processes"])
            if (row.is_object()) {
                if (!row.contains("cantmove")) row["cantmove"] = nullptr;
                rows.push_back(std::move(row));
            }
    }
    if (options.json)
        print_json(rows);
    else
        std::fputs(ps_table(rows).c_str(), stdout);
    return status;
}

}  // namespace pmi::ctl

#include "runtime/pmictl/job_commands.h"

#include <charconv>
#include <cstdio>

#include "runtime/control/members.h"
#include "runtime/pmictl/jobs.h"
#include "runtime/pmictl/ps_table.h"

namespace pmi::ctl {

using control::integer_member;
using control::string_member;
using nlohmann::json;

namespace {

constexpr int kFailed = 1, kUsage = 2;
constexpr std::chrono::milliseconds kListWithin(4000);

int complain(const std::string& what, int status = kFailed) {
    std::fprintf(stderr, "pmictl: %s\n", what.c_str());
    return status;
}

std::optional<pid_t> parse_pid(const std::string& text) {
    pid_t pid = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
    return pid;
}

std::string bytes_for_people(double bytes) {
    if (bytes < 1024) return fmt::format("{:.0f} B", bytes);
    for (const char* unit : {"KiB", "MiB"}) {
        bytes /= 1024;
        if (bytes < 1024) return fmt::format("{:.1f} {}", bytes, unit);
    }
    return fmt::format("{:.1f} GiB", bytes / 1024);
}

std::string time_for_people(int64_t us) {
    double ms = static_cast<double>(us) / 1000;
    if (ms >= 10000) return fmt::format("{:.1f} s", ms / 1000);
    return ms < 10 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.0f} ms", ms);
}

// "frozen 8.1 ms, 12.4 MiB sent, 35 ms in all": as much of it as is known.
std::string figures(const json& reply) {
    std::string text;
    auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (auto us = integer_member(reply, "frozen_us")) add("frozen " + time_for_people(*us));
    if (auto n = integer_member(reply, "bytes")) add(bytes_for_people(static_cast<double>(*n)) + " sent");
    if (auto us = integer_member(reply, "total_us")) add(time_for_people(*us) + " in all");
    return text.empty() ? text : ": " + text;
}

void print_json(const json& value) {
    std::puts(value.dump(2, ' ', false, json::error_handler_t::replace).c_str());
}

// Asks the job of options.pid; a move may take as long as it takes.
Expected<json> ask_about(pid_t pid, const JobOptions& options, json request) {
    TRY_ASSIGN(auto job, find_job_of(pid, options.control));
    request["pid"] = pid;
    return job.ask(request, std::nullopt);
}

// Runs a request about one process; `show` prints the reply.
template <typename Show>
int about_process(const JobOptions& options, json request, Show show) {
    auto pid = parse_pid(options.pid);
    if (!pid) return complain(options.pid + " is no PID", kUsage);
    std::string op = request["op"];
    auto reply = ask_about(*pid, options, std::move(request));
    if (!reply) return complain(fmt::format("{} {}: {}", op, *pid, reply.error().message()));
    reply->erase("ok");
    if (options.json)
        print_json(*reply);
    else
        show(*pid, *reply);
    return 0;
}

}  // namespace

int run_migrate(const JobOptions& options) {
    return about_process(options, {{"op", "migrate"}, {"node", options.node}, {"mode", options.mode}},
                         [&](pid_t pid, const json& reply) {
                             std::string where = string_member(reply, "where").value_or(options.node);
                             std::printf("%d runs on %s%s\n", pid, where.c_str(), figures(reply).c_str());
                         });
}

int run_home(const JobOptions& options) {
    return about_process(options, {{"op", "home"}}, [](pid_t pid, const json& reply) {
        if (control::bool_member(reply, "already"))
            std::printf("%d is already at home\n", pid);
        else
            std::printf("%d is home%s\n", pid, figures(reply).c_str());
    });
}

int run_where(const JobOptions& options) {
    return about_process(options, {{"op", "where"}}, [](pid_t, const json& reply) {
        std::puts(string_member(reply, "where").value_or("unknown").c_str());
    });
}

int run_cancel(const JobOptions& options) {
    return about_process(options, {{"op", "cancel"}},
                         [](pid_t pid, const json&) { std::printf("the move of %d is cancelled\n", pid); });
}

int run_ps(const JobOptions& options) {
    auto jobs = connect_to_jobs(options.control);
    if (!jobs) return complain("ps: " + jobs.error().message());
    json rows = json::array();
    for (auto& job : *jobs) {
        auto reply = job.ask({{"op", "ps"}}, kListWithin);
        // One that was asked for by its path has to answer. Of the others, one that ended in between is no error; one
        // that hangs or makes no sense is worth a line.
        bool ended = !reply && reply.error().code() == ECONNRESET;
        if (!reply && options.control) return complain("ps: " + reply.error().message());
        if (!reply && !ended) complain("ps: " + reply.error().message());
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
    return 0;
}

}  // namespace pmi::ctl

#include "runtime/control/call_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "runtime/control/members.h"

namespace pmi::control {

using nlohmann::json;

namespace {

double number(const json& row, const char* name) {
    auto it = row.find(name);
    return it != row.end() && it->is_number() ? it->get<double>() : 0;
}
std::string text(const json& row, const char* name) { return string_member(row, name).value_or("?"); }

std::string bytes_text(double bytes) {
    if (bytes < 1024) return fmt::format("{:.0f}", bytes);
    if (bytes < 1024 * 1024) return fmt::format("{:.1f}K", bytes / 1024);
    return fmt::format("{:.1f}M", bytes / 1024 / 1024);
}

constexpr const char* kLine = "{:>10} {:>9} {:>10} {:>10} {:>10} {:>8} {:>8} {:>8}  {:<5} {:<8} {}\n";

std::string line_of(const json& row) {
    double count = number(row, "count");
    return fmt::format(kLine, fmt::format("{:.6f}", number(row, "total_us") / 1e6), fmt::format("{:.0f}", number(row, "mean_us")),
                       fmt::format("{:.0f}", number(row, "slowest_us")), fmt::format("{:.6f}", number(row, "travel_us") / 1e6),
                       fmt::format("{:.0f}", count), fmt::format("{:.0f}", number(row, "failed")),
                       bytes_text(number(row, "bytes_to_home")), bytes_text(number(row, "bytes_from_home")), text(row, "served"),
                       text(row, "route"), text(row, "name"));
}

struct Sum {
    double count = 0, total_us = 0, travel_us = 0;
};

// What would have been cheaper at home.
std::string last_line(const Sum& home) {
    if (home.count == 0) return "no call went home\n";
    return fmt::format(
        "{:.0f} calls went home and took {:.6f} s; {:.6f} s of it was the way there and back ({:.0f} us a call), which a "
        "program at home has not to go\n",
        home.count, home.total_us / 1e6, home.travel_us / 1e6, home.travel_us / home.count);
}

}  // namespace

std::string call_table(const json& stats) {
    std::vector<const json*> rows;
    auto calls = stats.find("calls");
    if (calls != stats.end() && calls->is_array())
        for (const json& row : *calls)
            if (row.is_object()) rows.push_back(&row);
    std::stable_sort(rows.begin(), rows.end(),
                     [](const json* a, const json* b) { return number(*a, "total_us") > number(*b, "total_us"); });
    std::string out = fmt::format(kLine, "seconds", "us/call", "slowest us", "travel s", "calls", "errors", "sent", "received",
                                  "where", "route", "call");
    Sum home;
    for (const json* row : rows) {
        out += line_of(*row);
        if (text(*row, "served") != "home") continue;
        home.count += number(*row, "count");
        home.total_us += number(*row, "total_us");
        home.travel_us += number(*row, "travel_us");
    }
    return out + last_line(home);
}

}  // namespace pmi::control

#include "runtime/pmictl/ps_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "runtime/base/escaped.h"
#include "runtime/control/members.h"

namespace pmi::ctl {
namespace {

using Line = std::vector<std::string>;
const Line kTitles = {"PID", "JOB", "WHERE", "STATE", "MEM", "MOVES", "CALLS", "CANTMOVE", "COMMAND"};
const std::vector<bool> kToTheRight = {true, false, false, false, true, true, true, false, false, false};
const char* const kPatched = "PATCHED";  // before the command, where there is anything to be said

std::string number(const nlohmann::json& row, const char* name) {
    return std::to_string(control::integer_member(row, name).value_or(0));
}
std::string text(const nlohmann::json& row, const char* name, const char* otherwise) {
    return escaped(control::string_member(row, name).value_or(otherwise));
}

std::string memory(const nlohmann::json& row) {
    auto kib = static_cast<double>(control::integer_member(row, "memory_kib").value_or(0));
    if (kib < 1024) return fmt::format("{:.0f}K", kib);
    if (kib < 1024 * 1024) return fmt::format("{:.1f}M", kib / 1024);
    return fmt::format("{:.1f}G", kib / 1024 / 1024);
}

// "away, 1200/65536 pages": its memory still follows.
std::string state(const nlohmann::json& row) {
    std::string word = text(row, "state", "?");
    auto pages = row.find("post_copy");
    if (pages == row.end() || !pages->is_object()) return word;
    return fmt::format("{}, {}/{} pages", word, number(*pages, "sent"), number(*pages, "pages"));
}

bool has_patches(const nlohmann::json& row) {
    return control::integer_member(row, "sites_patched").value_or(0) + control::integer_member(row, "sites_refused").value_or(0) >
           0;
}

// System call sites: patched, and those for which that was refused.
std::string patched(const nlohmann::json& row) {
    int64_t refused = control::integer_member(row, "sites_refused").value_or(0);
    std::string count = number(row, "sites_patched");
    return refused == 0 ? count : fmt::format("{}, {} not", count, refused);
}

Line line_of(const nlohmann::json& row) {
    return {
        number(row, "pid"),   text(row, "job", "?"),      text(row, "where", "?"),  state(row), memory(row), number(row, "moves"),
        number(row, "calls"), text(row, "cantmove", "-"), text(row, "command", "?")};
}

}  // namespace

std::string ps_table(const nlohmann::json& rows) {
    std::vector<Line> lines = {kTitles};
    for (const auto& row : rows) lines.push_back(line_of(row));
    if (std::any_of(rows.begin(), rows.end(), has_patches)) {
        lines[0].insert(lines[0].end() - 1, kPatched);
        for (size_t i = 0; i < rows.size(); i++) lines[i + 1].insert(lines[i + 1].end() - 1, patched(rows[i]));
    }
    std::string out;
    std::vector<size_t> widths(lines[0].size(), 0);
    for (const auto& line : lines)
        for (size_t i = 0; i < line.size(); i++) widths[i] = std::max(widths[i], line[i].size());
    for (const auto& line : lines) {
        for (size_t i = 0; i + 1 < line.size(); i++)
            out += kToTheRight[i] ? fmt::format("{:>{}}  ", line[i], widths[i]) : fmt::format("{:<{}}  ", line[i], widths[i]);
        out += line.back() + "\n";
    }
    return out;
}

}  // namespace pmi::ctl

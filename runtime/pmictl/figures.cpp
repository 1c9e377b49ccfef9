#include "runtime/pmictl/figures.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/control/members.h"

namespace pmi::ctl {

using control::integer_member;
using nlohmann::json;

namespace {

constexpr double kPageSize = 4096;

class Parts {
  public:
    void add(const std::string& part) { text_ += (text_.empty() ? "" : ", ") + part; }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

std::string bar(const Underway& move) {
    constexpr size_t kWidth = 20;
    double all = static_cast<double>(move.bytes + move.left);
    double share = all > 0 ? static_cast<double>(move.bytes) / all : 0;
    auto full = static_cast<size_t>(share * kWidth);
    return fmt::format("[{}{}] {:3.0f}%", std::string(full, '#'), std::string(kWidth - full, '-'), share * 100);
}

}  // namespace

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

std::string figures(const json& reply) {
    Parts parts;
    if (auto us = integer_member(reply, "frozen_us")) parts.add("frozen " + time_for_people(*us));
    if (auto n = integer_member(reply, "bytes")) parts.add(bytes_for_people(static_cast<double>(*n)) + " sent");
    if (auto us = integer_member(reply, "total_us")) parts.add(time_for_people(*us) + " in all");
    return parts.text();
}

std::string more_figures(const json& reply) {
    Parts parts;
    auto pages = [&](const char* member, const char* what) {
        auto n = integer_member(reply, member);
        if (n && *n > 0) parts.add(fmt::format("{} {}", bytes_for_people(static_cast<double>(*n) * kPageSize), what));
    };
    if (auto us = integer_member(reply, "stall_us")) parts.add("longest stall " + time_for_people(*us));
    if (auto n = integer_member(reply, "rounds")) parts.add(*n == 1 ? "1 round" : fmt::format("{} rounds", *n));
    pages("later_pages", "follow");
    pages("zero_pages", "of zeros not sent");
    pages("found_pages", "found there");
    auto from = integer_member(reply, "compressed_from"), to = integer_member(reply, "compressed_to");
    if (from && to && *from > 0)
        parts.add(fmt::format("{} compressed to {}", bytes_for_people(static_cast<double>(*from)),
                              bytes_for_people(static_cast<double>(*to))));
    return parts.text();
}

std::string progress_line(const std::string& what, const Underway& move, size_t columns) {
    std::string phase = move.standing     ? "standing still"
                        : move.round == 0 ? "memory that follows"
                                          : fmt::format("round {}", move.round);
    std::string line = fmt::format("{}  {}", what, phase);
    if (move.left > 0) line += "  " + bar(move);
    line += fmt::format("  {}", bytes_for_people(static_cast<double>(move.bytes)));
    if (move.left > 0) line += fmt::format(", {} left", bytes_for_people(static_cast<double>(move.left)));
    if (move.rate > 0) line += fmt::format("  {}/s", bytes_for_people(move.rate));
    line += fmt::format("  {:.1f} s", static_cast<double>(move.us) / 1e6);
    return line.substr(0, columns);
}

}  // namespace pmi::ctl

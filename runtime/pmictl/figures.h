// Numbers of a move as people read them.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace pmi::ctl {

std::string bytes_for_people(double bytes);
std::string time_for_people(int64_t us);

// "frozen 8.1 ms, 12.4 MiB sent, 35 ms in all": as much of it as is known.
std::string figures(const nlohmann::json& reply);
// "longest stall 8.1 ms, 3 rounds, 1.0 GiB of zeros not sent, ...": the rest of it; empty: nothing more is known.
std::string more_figures(const nlohmann::json& reply);

// What is known of a move that is under way. `rate`: bytes a second.
struct Underway {
    size_t round = 0;
    bool standing = false;
    uint64_t bytes = 0, left = 0;
    double rate = 0;
    int64_t us = 0;
};
// "38 -> big  round 1 [#####-----]  52%  480 MiB left  1.1 GiB/s  0.4 s", at most so many columns.
std::string progress_line(const std::string& what, const Underway& move, size_t columns);

}  // namespace pmi::ctl

// What the calls of a process away have cost, as people see it: pmictl stats, and pmirun --summary.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace pmi::control {

// `stats`: "calls": rows of "name", "route" (of the table), "served" ("home" or "node"), "count", "failed",
// "total_us", "mean_us", "slowest_us", "travel_us", "bytes_to_home", "bytes_from_home". Slowest in total first.
std::string call_table(const nlohmann::json& stats);

}  // namespace pmi::control

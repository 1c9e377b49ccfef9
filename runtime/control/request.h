// A line of the control socket, from anybody.
#pragma once
#include <nlohmann/json.hpp>
#include <string_view>

namespace pmi::control {

// What the line holds; no object when it is not JSON, or nested deeper than kMaxNesting.
nlohmann::json parse_request(std::string_view line);

}  // namespace pmi::control

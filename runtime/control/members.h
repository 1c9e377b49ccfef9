// Members of a JSON object that somebody else wrote: nothing here throws, a wrong type counts as absent.
#pragma once
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace pmi::control {

inline std::optional<std::string> string_member(const nlohmann::json& object, const char* name) {
    auto it = object.find(name);
    if (it == object.end() || !it->is_string()) return std::nullopt;
    return it->get<std::string>();
}

inline std::optional<int64_t> integer_member(const nlohmann::json& object, const char* name) {
    auto it = object.find(name);
    if (it == object.end() || !it->is_number_integer()) return std::nullopt;
    if (it->is_number_unsigned() && it->get<uint64_t>() > INT64_MAX) return std::nullopt;
    return it->get<int64_t>();
}

inline bool bool_member(const nlohmann::json& object, const char* name) {
    auto it = object.find(name);
    return it != object.end() && it->is_boolean() && it->get<bool>();
}

// A PID as a request may name it: positive and within pid_t.
inline std::optional<int> pid_member(const nlohmann::json& object, const char* name) {
    auto number = integer_member(object, name);
    if (!number || *number <= 0 || *number > std::numeric_limits<int>::max()) return std::nullopt;
    return static_cast<int>(*number);
}

}  // namespace pmi::control

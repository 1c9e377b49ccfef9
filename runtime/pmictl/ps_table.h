// The table that `pmictl ps` prints.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace pmi::ctl {

// `rows`: an array of the objects that supervisors send. Columns are as wide as their widest entry, the last
// is not cut off.
std::string ps_table(const nlohmann::json& rows);

}  // namespace pmi::ctl

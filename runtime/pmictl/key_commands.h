// pmictl key show|list|trust KEY [NAME]|remove NAME
#pragma once
#include <string>

namespace pmi {

struct KeyOptions {
    enum class Action { Show, List, Trust, Remove };
    Action action = Action::Show;
    std::string keys;  // --keys; empty: the usual place
    std::string key;   // of Trust
    std::string name;  // of Trust (may be empty) and Remove (a key will do too)
};

// Returns the exit status: 0, or 1 with one line on stderr.
int run_key(const KeyOptions& options);

}  // namespace pmi

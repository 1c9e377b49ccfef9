// How a program's memory is to travel, and when it has travelled long enough while the program ran. Pure functions: all
// that they know is in their arguments.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

enum class MoveMode { Stop, Precopy };

struct MoveFacts {
    std::string asked;              // auto, stop, precopy, postcopy
    uint64_t bytes = 0;             // that would travel while the program stands still
    double link = 0;                // bytes a second, as far as is known; 0: nothing is known
    double written = 0;             // bytes a second that the program writes; 0: nothing is known
    std::string no_precopy;         // why pages can't be followed here, empty: they can
};
// Error: what was asked for can't be done, with the reason.
Expected<MoveMode> choose_mode(const MoveFacts& facts);

// A round: what it sent, and how long it took until the other side had all of it.
struct Round {
    uint64_t bytes = 0;
    int64_t ns = 0;
};
enum class AfterRound { OneMore, Freeze };
AfterRound after_round(const std::vector<Round>& rounds);

}  // namespace pmi

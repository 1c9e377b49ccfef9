// How a program's memory is to travel, and when it has travelled long enough while the program ran. Pure functions: all
// that they know is in their arguments.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

enum class MoveMode { Stop, Precopy, Postcopy, PrecopyThenPostcopy };
// Whether some of the memory may follow when the program already runs at the destination.
constexpr bool may_follow(MoveMode mode) { return mode == MoveMode::Postcopy || mode == MoveMode::PrecopyThenPostcopy; }

struct MoveFacts {
    std::string asked;          // auto, stop, precopy, postcopy
    uint64_t bytes = 0;         // that would travel while the program stands still
    double link = 0;            // bytes a second, as far as is known; 0: nothing is known
    double written = 0;         // bytes a second that the program writes; 0: nothing is known
    std::string no_precopy;     // why pages can't be followed here, empty: they can
    std::string no_postcopy{};  // why memory can't follow there, empty: it can
};
// Error: what was asked for can't be done, with the reason.
Expected<MoveMode> choose_mode(const MoveFacts& facts);

// A round: what it sent, and how long it took until the other side had all of it.
struct Round {
    uint64_t bytes = 0;
    int64_t ns = 0;
};
enum class AfterRound { OneMore, Freeze };
// In mode Postcopy there is one, of what is not to follow; in mode PrecopyThenPostcopy they are few.
AfterRound after_round(const std::vector<Round>& rounds, MoveMode mode = MoveMode::Precopy);
// So little has been written since the last round that another one takes longer than to send it while the program stands still.
bool is_nearly_nothing(uint64_t bytes);
// What is still to be sent after these rounds, over a link of so many bytes a second (0: nothing is known), is not worth to
// follow: the program stands still for it.
bool is_little(const std::vector<Round>& rounds, double link);
// Whether a program some of whose memory may follow is to stand still now; else all of its memory is to follow, from the start:
// what has been at the destination in a round is dropped there page by page, and with many pages the program stands still for
// longer than one that begins without any. Not over links on which another beginning is long.
bool can_end(const std::vector<Round>& rounds, double link);
// Bytes a second: the fastest round's, since a round in which most was found at the destination, or little was sent, tells little
// of the link. 0: nothing is known.
double link_of(const std::vector<Round>& rounds);
// What is usual where nothing is known.
double link_or_usual(double link);

}  // namespace pmi

// Which answers of home the node may give again by itself: those that nobody but the program can change while it is away.
// Every such change is a call of its own that home performs, and that the node sees (Row::changes). Why no
// program can tell, call by call: docs/architecture.md.
#pragma once
#include "interpose/marshal/call.h"
#include "runtime/base/ids.h"

namespace pmi {

// Of a process when its stay begins. What is looked at stays as it is until an exec, which ends the stay.
struct LastingFacts {
    bool all_ids_mapped = false;  // in its user namespace; else a map that is written later changes what getuid() says
    bool has_execed = false;      // its parent can't move it to another process group any more
};
LastingFacts read_lasting_facts(HomePid pid);

bool answer_lasts(const Call& call, int64_t result, HomePid pid, const LastingFacts& facts);

}  // namespace pmi

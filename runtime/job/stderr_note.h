// One line on a program's own stderr, written by its supervisor, which has no terminal of its own.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>

namespace pmi::job {

// What descriptor 2 of the process is: remembered before it leaves, in case that it can't be asked any more.
std::string stderr_target(pid_t pid);
// Writes "pmi: LINE\n" to where `target` leads: through the process itself if it still lives, else by opening
// it anew (a terminal, a file), else through another process of the user (its parent, mostly) that has the
// same pipe. Holding the descriptor all the time instead would keep a pipe's reader waiting for our end.
// Never blocks. `file`: the identity of the only regular file that is its stderr (empty: none is), where that is known. Another one
// is a file of the program's that has got a free number.
bool note_on_stderr(pid_t pid, const std::string& target, const std::optional<std::string>& file, const std::string& line);

}  // namespace pmi::job

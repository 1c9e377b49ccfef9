// A line on somebody else's standard error, a pipe or terminal that may take nothing for as long as its reader likes.
#pragma once
#include <string>

namespace pmi {

// Waits for a moment at most. The file description is another program's: it is not made non-blocking, and one small write where
// there is room does not block. False: nothing was written.
bool write_line(int fd, const std::string& line);

}  // namespace pmi

// --summary: a text for pmirun's standard error, whose descriptor was kept for it.
#pragma once
#include <string>

namespace pmi::job {

// Gives up on a reader that doesn't read for a while.
void write_summary(int fd, const std::string& text);

}  // namespace pmi::job

// Finds what belongs to pmi beside pmirun itself: in the build tree, and where it is installed.
#pragma once
#include <string>

namespace pmi::launch {

// Absolute paths, empty if not there.
std::string find_supervisor();
std::string find_preload_library();

}  // namespace pmi::launch

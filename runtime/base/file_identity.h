// Which file a descriptor is, for who hears of it from another process.
#pragma once
#include <string>

namespace pmi {

// Device and inode, as text; empty where it is no regular file, or not open.
std::string regular_file_identity(int fd);

}  // namespace pmi

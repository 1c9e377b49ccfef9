// docs/syscalls.md, generated from the table.
#pragma once
#include <string>

namespace pmi {

std::string syscall_docs();

}  // namespace pmi

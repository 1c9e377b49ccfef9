// What libpmi.so keeps in a program for the supervisor, found by the ELF notes in the first page of its mapping.
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "runtime/base/error.h"

namespace pmi {

// The address of what the note of this type names; 0 where the program has no libpmi.so, or one without it.
Expected<uint64_t> find_in_preload(pid_t pid, uint32_t note_type);

}  // namespace pmi

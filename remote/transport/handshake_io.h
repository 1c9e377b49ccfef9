// The few bytes with which a connection of a call channel begins: never more than its buffers hold, never waited for.
#pragma once
#include <cstddef>

#include "runtime/base/error.h"

namespace pmi {

// Reads what is still missing of `buffer`; false: more has to come. Error: the connection is of no use.
Expected<bool> read_more(int fd, unsigned char* buffer, size_t size, size_t* have);
Status send_now(int fd, const void* data, size_t size);

}  // namespace pmi

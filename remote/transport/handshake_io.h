// The few bytes with which a connection of a call channel begins: never more than its buffers hold, never waited for.
#pragma once
#include <cstddef>

#include "remote/transport/deadline.h"
#include "runtime/base/error.h"

namespace pmi {

// Reads what is still missing of `buffer`; false: more has to come. Error: the connection is of no use.
Expected<bool> read_more(int fd, unsigned char* buffer, size_t size, size_t* have);
// All of it, by the deadline (ETIMEDOUT), or until `wake` is readable (-1: nothing wakes it; ECANCELED).
Status read_whole(int fd, unsigned char* buffer, size_t size, const Deadline& deadline, int wake = -1);
Status send_now(int fd, const void* data, size_t size);

}  // namespace pmi

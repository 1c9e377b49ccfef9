// A mapping whose open file description nobody can get at, since the program has closed its descriptor: made anew, of the same file
// and at the same place, with a description that the caller has too. Only that one can be leased (lease_gate.h).
#pragma once
#include <sys/types.h>

#include <string>

#include "kernel-assist/assist.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

// All shared mappings that `image` has of `file`, which is at `path` for the program: the stopped thread `tid` opens and maps it.
Expected<Fd> reopen_mapped(pid_t tid, AgentPlace place, StopWaiter& waiter, const wire::Image& image, const wire::MappedFile& file,
                           const std::string& path);

}  // namespace pmi

// Credentials are a thread's own; mostly all threads of a process have the same.
#pragma once
#include "runtime/base/ids.h"

namespace pmi {

// Whether all threads have the same user and group ids and the same groups now.
bool same_credentials(HomePid pid);

}  // namespace pmi

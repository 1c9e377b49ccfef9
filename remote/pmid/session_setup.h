// What pmid tells a guest session, which is another process: in a sealed memfd that it inherits.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/guest/guest_session.h"

namespace pmi {

struct SessionSetup {
    GuestSessionSetup guest;
    int pmid = 0;  // its PID: a session whose parent is another one has been orphaned already
    std::string log_file, log_level;
};

std::string encode(const SessionSetup& setup);
Expected<SessionSetup> decode_session_setup(std::string_view bytes);

Expected<Fd> write_session_setup(const SessionSetup& setup);
Expected<SessionSetup> read_session_setup(int fd);

}  // namespace pmi

// What pmid tells a guest session, which is another process: in a sealed memfd that comes by a Unix socket, and with it the fd of
// the pages that are kept, if there are any.
#pragma once
#include <optional>
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

Status send_session_setup(int socket, int setup, int pages);
// Waits for it. Nothing if pmid has ended or has no use for a session. `guest.pages_fd` is the caller's then.
Expected<std::optional<SessionSetup>> receive_session_setup(int socket);

}  // namespace pmi

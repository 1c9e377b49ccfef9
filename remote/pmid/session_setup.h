// What pmid tells a guest session, which is another process: how it is to be, in a sealed memfd that it inherits, and later what
// it is to do, on the socket that it inherits too: a byte, and with it the request in another memfd, and where pages are kept.
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

// Never waits. `pages`: -1 for none.
Status send_order(int socket, const std::string& request, int pages);
// Waits until there is one. Error: ECONNRESET if there will be none.
Expected<GuestOrder> receive_order(int socket);

}  // namespace pmi

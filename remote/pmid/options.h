// pmid's command line, on top of [pmid] and [pmi] of the configuration.
#pragma once
#include <string>

#include "remote/pmid/requests.h"
#include "remote/transport/address.h"
#include "runtime/base/error.h"

namespace pmi {

struct PmidOptions {
    HostPort listen;
    std::string name;
    std::string keys;  // empty: the usual place
    std::string log_file, log_level;
    bool insecure = false;
    bool patching = true;   // of system call sites
    bool own_files = true;  // pages of mapped files are looked for in this machine's files
    bool spare = true;      // a session is kept ready for the next guest
    NodeLimits limits;
    uint64_t keep_pages = 0;  // bytes
};

// Handles --help and --version too: then, and after bad options (said on stderr), it returns an exit status
// instead.
struct ParsedOptions {
    PmidOptions options;
    int exit_status = -1;  // -1: go on
};
ParsedOptions parse_options(int argc, char** argv);

}  // namespace pmi

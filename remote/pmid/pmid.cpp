// pmid: the node daemon. One process listens; each program that comes gets a process of its own
// (guest_process.cpp).
#include <cstdio>
#include <cstring>
#include <memory>

#include "remote/pmid/daemon.h"
#include "remote/pmid/guest_process.h"
#include "remote/pmid/options.h"
#include "remote/transport/keys.h"
#include "remote/wire/kernel_probes.h"
#include "runtime/base/escaped.h"
#include "runtime/base/log.h"

namespace {

using namespace pmi;

constexpr const char* kInsecureWarning =
    "pmid: WARNING: --insecure: no keys, no encryption: ANYBODY who reaches this port may run programs "
    "here\n";

Status serve(PmidOptions options) {
    TRY(set_up_log("pmid " + options.name, options.log_file, options.log_level));
    std::shared_ptr<const Keyring> ring;
    if (options.insecure) {
        std::fputs(kInsecureWarning, stderr);
        spdlog::warn("--insecure: anybody may run programs here");
    } else {
        TRY_ASSIGN(Keyring opened, Keyring::open(options.keys));
        ring = std::make_shared<const Keyring>(std::move(opened));
    }
    TRY_ASSIGN(auto daemon, Daemon::start(options, ring));
    spdlog::info("listening on {}; {}", show_host_port(options.listen.host, daemon->port()), show(probe_kernel()));
    std::printf("pmid %s listening on %s\n", options.name.c_str(), show_host_port(options.listen.host, daemon->port()).c_str());
    std::fflush(stdout);
    return daemon->run();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::strcmp(argv[1], "--guest-session") == 0) return guest_process_main(argv[2]);
    ParsedOptions parsed = parse_options(argc, argv);
    if (parsed.exit_status >= 0) return parsed.exit_status;
    auto served = serve(parsed.options);
    if (served) return 0;
    std::fprintf(stderr, "pmid: %s\n", escaped(served.error().message()).c_str());
    return 1;
}

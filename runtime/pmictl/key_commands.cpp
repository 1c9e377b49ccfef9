#include "runtime/pmictl/key_commands.h"

#include <cstdio>

#include "remote/config/config.h"
#include "remote/transport/keys.h"
#include "runtime/base/escaped.h"

namespace pmi {

namespace {

Expected<Keyring> open_ring(const std::string& keys) {
    if (!keys.empty() || ::getenv("PMI_KEYS") != nullptr) return Keyring::open(keys);
    TRY_ASSIGN(Config config, load_config());
    return Keyring::open(config.keys);
}

Status show_list(const Keyring& ring) {
    std::vector<std::string> skipped;
    TRY_ASSIGN(auto keys, ring.list(&skipped));
    for (auto& entry : keys) std::printf("%s %s\n", entry.public_key.c_str(), entry.name.c_str());
    for (auto& line : skipped) std::fprintf(stderr, "pmictl: key list: left out %s\n", line.c_str());
    return {};
}

Status perform(const KeyOptions& options) {
    TRY_ASSIGN(Keyring ring, open_ring(options.keys));
    switch (options.action) {
        case KeyOptions::Action::Show: std::printf("%s\n", ring.own().public_key.c_str()); return {};
        case KeyOptions::Action::List: return show_list(ring);
        case KeyOptions::Action::Trust: return ring.trust(options.key, options.name);
        case KeyOptions::Action::Remove: return ring.remove(options.name);
    }
    return fail("unknown action");
}

}  // namespace

int run_key(const KeyOptions& options) {
    auto done = perform(options);
    if (done) return 0;
    std::fprintf(stderr, "pmictl: key: %s\n", escaped(done.error().message()).c_str());
    return 1;
}

}  // namespace pmi

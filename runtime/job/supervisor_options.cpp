#include "runtime/job/supervisor_options.h"

#include <charconv>
#include <string_view>

namespace pmi::job {
namespace {

Status take_number(std::string_view text, int& to) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
    if (error == std::errc() && end == text.data() + text.size()) return {};
    return fail("{}: not a number", text);
}

Status take(SupervisorOptions& o, std::string_view name, std::string_view value) {
    if (name == "--listener") return take_number(value, o.listener);
    if (name == "--pidfd") return take_number(value, o.pidfd);
    if (name == "--program") return take_number(value, o.program);
    if (name == "--summary") return take_number(value, o.summary);
    if (name == "--client") return take_number(value, o.clients.emplace_back());
    if (name == "--socket")
        o.socket = value;
    else if (name == "--socket-now")
        o.socket_now = value;
    else if (name == "--socket-link")
        o.socket_link = value;
    else if (name == "--name")
        o.name = value;
    else if (name == "--stderr")
        o.stderr_file = value;
    else if (name == "--node")
        o.node = value;
    else if (name == "--keys")
        o.keys = value;
    else if (name == "--log")
        o.log = value;
    else if (name == "--log-level")
        o.log_level = value;
    else if (name == "--insecure")
        o.insecure = true;
    else if (name == "--away")
        o.away = true;
    else if (name == "--trap-signals")
        o.trap_signals = true;
    else if (name == "--free-home-memory")
        o.free_home_memory = true;
    else if (name == "--io-uring-denied")
        o.io_uring_denied = true;
    else
        return fail("unknown option {}", name);
    return {};
}

}  // namespace

Expected<SupervisorOptions> parse_supervisor_options(int argc, char** argv) {
    SupervisorOptions o;
    for (int i = 1; i < argc; i++) {
        std::string_view word = argv[i];
        size_t equals = word.find('=');
        TRY(take(o, word.substr(0, equals), equals == std::string_view::npos ? "" : word.substr(equals + 1)));
    }
    if (o.listener < 0 || o.pidfd < 0 || o.program <= 0 || o.socket.empty())
        return fail("started by hand: this program is started by pmirun");
    return o;
}

}  // namespace pmi::job

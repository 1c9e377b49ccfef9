#include "runtime/job/destination.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "remote/config/config.h"
#include "remote/config/node_address.h"
#include "runtime/control/members.h"
#include "runtime/control/protocol.h"
#include "runtime/kernel/procfs.h"

namespace pmi::job {

using nlohmann::json;

namespace {

constexpr size_t kMaxAnswer = 1 << 20;

// pmictl, beside the supervisor in the build tree; on the PATH where it is installed.
std::string find_pmictl() {
    std::string directory = link_target("/proc/self/exe");
    if (directory.empty()) return "pmictl";
    directory.erase(directory.rfind('/'));
    for (const char* candidate : {"/pmictl", PMI_BIN_FROM_LIBEXEC "/pmictl"})
        if (::access((directory + candidate).c_str(), X_OK) == 0) return directory + candidate;
    return "pmictl";
}

double number(const json& node, const char* name, double otherwise) {
    auto it = node.find(name);
    return it != node.end() && it->is_number() ? it->get<double>() : otherwise;
}

bool can_host(const json& node) {
    if (control::string_member(node, "state").value_or("up") != "up") return false;
    return number(node, "guests", 0) < number(node, "guests_max", 1);
}

bool is_configured(const std::string& name) {
    auto config = load_config();
    return config && config->nodes.contains(name);
}

// One `pmictl nodes --json` under way.
struct Survey {
    control::EventLoop& loop;
    Fd output;
    pid_t child;
    OnNode done;
    std::string text;
    control::EventLoop::TimerId limit = 0;

    void on_output();
    void finish(Expected<std::string> result);
};

void Survey::on_output() {
    char buffer[4096];
    ssize_t n = ::read(output.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) return;
    if (n > 0 && text.size() < kMaxAnswer) text.append(buffer, static_cast<size_t>(n));
    if (n <= 0) finish(best_of(text, is_configured));
}

void Survey::finish(Expected<std::string> result) {
    loop.forget(output.get());
    loop.cancel(limit);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    auto tell = std::move(done);
    tell(std::move(result));
}

[[noreturn]] void be_survey(int output, const std::string& keys, bool insecure) {
    ::dup2(output, STDOUT_FILENO);
    if (!keys.empty()) ::setenv("PMI_KEYS", keys.c_str(), 1);
    std::string program = find_pmictl();
    if (insecure)
        ::execlp(program.c_str(), "pmictl", "--insecure", "nodes", "--json", nullptr);
    else
        ::execlp(program.c_str(), "pmictl", "nodes", "--json", nullptr);
    ::_exit(127);
}

}  // namespace

Expected<std::string> best_of(const std::string& nodes_json, const std::function<bool(const std::string&)>& is_name) {
    json nodes = json::parse(nodes_json, nullptr, false);
    if (!nodes.is_array()) return fail("the known nodes can't be listed (see pmictl nodes)");
    std::string best;
    std::pair<bool, double> best_rank;  // named in the configuration; idle processors
    for (const json& node : nodes) {
        auto name = control::string_member(node, "name"), address = control::string_member(node, "address");
        if (!name || !address || !can_host(node)) continue;
        std::pair rank(is_name(*name), number(node, "cpus", 1) - number(node, "load", 0));
        if (!best.empty() && rank <= best_rank) continue;
        best = rank.first ? *name : *address;
        best_rank = rank;
    }
    if (best.empty()) return fail("no node that is up is known (name one with --node, or in the configuration)");
    return best;
}

void find_best_node(control::EventLoop& loop, const std::string& keys, bool insecure, OnNode done) {
    int pair[2];
    if (::pipe2(pair, O_CLOEXEC) != 0) return done(fail_errno("pipe"));
    Fd read_end(pair[0]), write_end(pair[1]);
    pid_t child = ::fork();
    if (child < 0) return done(fail_errno("fork"));
    if (child == 0) be_survey(write_end.get(), keys, insecure);
    auto survey = std::make_shared<Survey>(Survey{loop, std::move(read_end), child, std::move(done), {}});
    // The loop's handlers own the survey; it is gone with them.
    survey->limit = loop.after(std::chrono::seconds(10), [survey] { survey->finish(fail("no node answers")); });
    if (auto watched = loop.watch(survey->output.get(), EPOLLIN, [survey](uint32_t) { survey->on_output(); }); !watched)
        survey->finish(std::move(watched.error()));
}

// The files are read anew for each move: a job outlives what its user writes into them.
Expected<Destination> resolve_destination(const std::string& node) {
    if (node == control::kHome) return fail("home is no node: use pmictl home");
    TRY_ASSIGN(Config config, load_config());
    TRY_ASSIGN(NodeAddress address, resolve_node(config, node));
    return Destination{address.name, address.host, address.port, address.key};
}

Expected<std::string> configured_default_node() {
    TRY_ASSIGN(Config config, load_config());
    return config.node;
}

Expected<uint32_t> configured_reconnect_seconds() {
    TRY_ASSIGN(Config config, load_config());
    return config.reconnect_seconds;
}

Expected<std::string> configured_keys() {
    TRY_ASSIGN(Config config, load_config());
    return config.keys;
}

}  // namespace pmi::job

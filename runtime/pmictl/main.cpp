// pmictl: control. Its commands about processes talk to the supervisors of this user's jobs, those about
// nodes to pmid, those about keys to the key directory.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "runtime/base/escaped.h"
#include "runtime/base/output_end.h"
#include "runtime/pmictl/job_commands.h"
#include "runtime/pmictl/key_commands.h"
#include "runtime/pmictl/node_commands.h"

namespace {

using namespace pmi::ctl;

constexpr int kUsage = 2;

// What was chosen on the command line; run after parsing.
using Command = std::function<int()>;

void add_job_commands(CLI::App& app, JobOptions& o, Command& chosen) {
    auto command = [&](const char* name, const char* help, int (*run)(const JobOptions&)) {
        CLI::App* sub = app.add_subcommand(name, help);
        sub->callback([&o, &chosen, run] { chosen = [&o, run] { return run(o); }; });
        return sub;
    };
    auto with_pid = [&](CLI::App* sub) {
        sub->add_option("PID", o.pid, "process, by its PID at home")->required();
        sub->add_flag("--json", o.json, "print the answer as JSON");
        return sub;
    };
    command("ps", "every process of every job of this user", run_ps)->add_flag("--json", o.json, "print JSON");
    CLI::App* migrate = with_pid(command("migrate", "move a process to a node", run_migrate));
    migrate->add_option("NODE", o.node, "HOST[:PORT], or a name from the configuration")->required();
    migrate->add_option("--mode", o.mode, "auto, stop, precopy or postcopy")
        ->check(CLI::IsMember({"auto", "stop", "precopy", "postcopy"}));
    with_pid(command("home", "bring a process home", run_home));
    with_pid(command("where", "say where a process is", run_where));
    with_pid(command("stats", "what the system calls of a process have cost while it was away", run_stats));
    with_pid(command("cancel", "give up a move that is under way", run_cancel));
}

void add_key_commands(CLI::App& app, pmi::KeyOptions& o, Command& chosen) {
    CLI::App* key = app.add_subcommand("key", "this account's public key, and the keys that it trusts");
    key->require_subcommand(1);
    auto command = [&](const char* name, const char* help, pmi::KeyOptions::Action action) {
        CLI::App* sub = key->add_subcommand(name, help);
        sub->callback([&o, &chosen, action] {
            o.action = action;
            chosen = [&o] { return pmi::run_key(o); };
        });
        return sub;
    };
    command("show", "print this account's public key", pmi::KeyOptions::Action::Show);
    command("list", "print the keys that are trusted", pmi::KeyOptions::Action::List);
    CLI::App* trust = command("trust", "trust a node or account by its public key", pmi::KeyOptions::Action::Trust);
    trust->add_option("KEY", o.key, "its public key")->required();
    trust->add_option("NAME", o.name, "what to call it");
    command("remove", "trust a key no longer", pmi::KeyOptions::Action::Remove)
        ->add_option("NAME", o.name, "its name, or the key itself")
        ->required();
}

void add_node_commands(CLI::App& app, pmi::NodeOptions& o, Command& chosen) {
    CLI::App* nodes = app.add_subcommand("nodes", "known nodes, and how they are");
    nodes->add_flag("--json", o.json, "print JSON");
    nodes->callback([&o, &chosen] { chosen = [&o] { return pmi::run_nodes(o); }; });
    CLI::App* ping = app.add_subcommand("ping", "whether a node can be reached: version, round trip");
    ping->add_option("NODE", o.node, "HOST[:PORT], or a name from the configuration")->required();
    ping->callback([&o, &chosen] { chosen = [&o] { return pmi::run_ping(o); }; });
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
    std::string line = error.what(), command;
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) {
        at = at->get_subcommands().front();
        command += at->get_name() + ": ";
    }
    bool wants_command = !at->get_subcommands(std::function<bool(const CLI::App*)>()).empty();
    auto unknown = app.remaining(true);
    if (wants_command && !unknown.empty()) line = unknown.front() + ": no such command";
    std::fprintf(stderr, "pmictl: %s (see pmictl --help)\n", pmi::escaped(command + line).c_str());
    return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Controls programs that were started with pmirun.", "pmictl");
    app.set_version_flag("--version", "pmictl " PMI_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    JobOptions job_options;
    pmi::KeyOptions key_options;
    pmi::NodeOptions node_options;
    Command chosen;
    app.add_option("--control", job_options.control, "talk to the job with this control socket only");
    app.add_option("--keys", node_options.keys, "key directory (default: $PMI_KEYS, else ~/.config/pmi/keys)")
        ->check(CLI::Validator([](std::string& given) { return given.empty() ? "is empty" : ""; }, ""));
    app.add_flag("--insecure", node_options.insecure, "neither encrypt nor authenticate");
    add_job_commands(app, job_options, chosen);
    add_key_commands(app, key_options, chosen);
    add_node_commands(app, node_options, chosen);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return pmi::end_output("pmictl", app.exit(error));
        return usage_error(app, error);
    }
    key_options.keys = node_options.keys;
    return pmi::end_output("pmictl", chosen());
}

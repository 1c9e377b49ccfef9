#include "runtime/pmictl/node_commands.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "remote/config/node_address.h"
#include "remote/pmid/node_client.h"
#include "remote/wire/printable.h"
#include "runtime/base/escaped.h"

namespace pmi {

namespace {

constexpr int kPings = 9;

struct Context {
    Config config;
    std::shared_ptr<const Keyring> ring;  // null with --insecure
    Security security = Security::Curve;
};

Expected<Context> open_context(const NodeOptions& options) {
    Context context;
    TRY_ASSIGN(context.config, load_config());
    if (options.insecure) {
        context.security = Security::Insecure;
        std::fputs("pmictl: WARNING: --insecure: no keys, no encryption\n", stderr);
        return context;
    }
    bool usual = options.keys.empty() && ::getenv("PMI_KEYS") == nullptr;
    TRY_ASSIGN(Keyring ring, Keyring::open(usual ? context.config.keys : options.keys));
    context.ring = std::make_shared<const Keyring>(std::move(ring));
    return context;
}

int report(const char* command, const Error& error, int status) {
    std::fprintf(stderr, "pmictl: %s: %s\n", command, escaped(error.message()).c_str());
    return status;
}

// What is known of one node: how it answered, or why it didn't.
struct Answer {
    NodeAddress address;
    std::optional<wire::Machine> machine;
    std::string error;
};

// In a thread of its own, with a transport of its own.
Answer ask(const Context& context, const NodeAddress& address) {
    Answer answer{address, std::nullopt, ""};
    auto describe = [&]() -> Expected<wire::Machine> {
        TRY_ASSIGN(auto transport, Transport::create(context.ring, context.security));
        TRY_ASSIGN(auto client, NodeClient::connect(*transport, context.ring.get(), address));
        return client->describe();
    };
    auto machine = describe();
    if (machine)
        answer.machine = std::move(*machine);
    else
        answer.error = machine.error().message();
    return answer;
}

std::vector<Answer> ask_all(const Context& context, const std::vector<NodeAddress>& addresses) {
    std::vector<std::future<Answer>> pending;
    for (auto& address : addresses)
        pending.push_back(std::async(std::launch::async, [&context, address] { return ask(context, address); }));
    std::vector<Answer> answers;
    for (auto& future : pending) answers.push_back(future.get());
    return answers;
}

std::vector<NodeAddress> configured_nodes(const Config& config) {
    std::vector<NodeAddress> addresses;
    for (auto& [name, node] : config.nodes) addresses.push_back({name, node.address.host, node.address.port, node.key});
    if (config.node.empty()) return addresses;
    auto chosen = resolve_node(config, config.node);
    bool listed = !chosen || std::any_of(addresses.begin(), addresses.end(),
                                         [&](auto& a) { return a.host == chosen->host && a.port == chosen->port; });
    if (!listed) addresses.push_back(*chosen);
    return addresses;
}

// All configured nodes, and the pmid of this machine if one answers and isn't among them.
std::vector<Answer> known_nodes(const Context& context) {
    auto addresses = configured_nodes(context.config);
    addresses.push_back({"localhost", "127.0.0.1", kDefaultPort, ""});
    auto answers = ask_all(context, addresses);
    Answer local = std::move(answers.back());
    answers.pop_back();
    if (!local.machine) return answers;
    local.address.name = printable(local.machine->name());
    bool listed = std::any_of(answers.begin(), answers.end(),
                              [&](auto& a) { return a.machine && a.machine->name() == local.machine->name(); });
    if (!listed) answers.push_back(std::move(local));
    return answers;
}

nlohmann::json as_json(const Answer& answer) {
    nlohmann::json node{
        {"name", answer.address.name}, {"address", answer.address.show()}, {"state", answer.machine ? "up" : "down"}};
    if (!answer.machine) {
        node["error"] = printable(answer.error, 1000);
        return node;
    }
    const wire::Machine& m = *answer.machine;
    node["node_name"] = printable(m.name());
    node["version"] = printable(m.pmi_version());
    node["load"] = m.load();
    node["memory_available"] = m.memory_available();
    node["memory_total"] = m.memory_total();
    node["cpus"] = m.cpus();
    node["cpu"] = printable(m.cpu_model());
    node["kernel"] = printable(m.kernel_release());
    node["guests"] = m.guests();
    node["guests_max"] = m.guests_max();
    node["dirty_tracking"] = m.dirty_tracking();
    node["post_copy"] = m.post_copy();
    node["guest_limits"] = nlohmann::json{{"cgroups", m.guest_cgroups()}, {"error", m.no_guest_cgroups()}};
    return node;
}

void print_table(const std::vector<Answer>& answers) {
    size_t name = 4, address = 7;
    for (auto& a : answers) {
        name = std::max(name, a.address.name.size());
        address = std::max(address, a.address.show().size());
    }
    auto line = [&](const std::string& n, const std::string& a, const std::string& rest) {
        std::fputs(fmt::format("{:<{}}  {:<{}}  {}\n", n, name, a, address, rest).c_str(), stdout);
    };
    line("NAME", "ADDRESS",
         fmt::format("{:<5}  {:>5}  {:>4}  {:>9}  {:>8}  {:<24}  {}", "STATE", "LOAD", "CPUS", "FREE", "GUESTS", "KERNEL", "CPU"));
    for (auto& a : answers) {
        if (!a.machine) {
            line(a.address.name, a.address.show(), "down   " + printable(a.error, 1000));
            continue;
        }
        const wire::Machine& m = *a.machine;
        line(a.address.name, a.address.show(),
             fmt::format("{:<5}  {:>5.2f}  {:>4}  {:>5} MiB  {:>8}  {:<24}  {}", "up", m.load(), m.cpus(),
                         m.memory_available() >> 20, fmt::format("{}/{}", m.guests(), m.guests_max()),
                         printable(m.kernel_release()), printable(m.cpu_model())));
    }
}

Expected<long> median_round_trip_us(NodeClient& client) {
    std::vector<long> times;
    for (int i = 0; i < kPings; i++) {
        auto start = std::chrono::steady_clock::now();
        TRY(client.ping());
        auto taken = std::chrono::steady_clock::now() - start;
        times.push_back(std::chrono::duration_cast<std::chrono::microseconds>(taken).count());
    }
    std::nth_element(times.begin(), times.begin() + kPings / 2, times.end());
    return times[kPings / 2];
}

Status ping(const Context& context, const NodeAddress& address) {
    TRY_ASSIGN(auto transport, Transport::create(context.ring, context.security));
    TRY_ASSIGN(auto client, NodeClient::connect(*transport, context.ring.get(), address));
    TRY_ASSIGN(wire::Machine machine, client->ping());
    TRY_ASSIGN(long us, median_round_trip_us(*client));
    std::printf("%s (%s): pmi %s, protocol %u, round trip %ld us (median of %d)\n", printable(machine.name()).c_str(),
                address.show().c_str(), printable(machine.pmi_version()).c_str(), machine.protocol_version(), us, kPings);
    return {};
}

}  // namespace

int run_nodes(const NodeOptions& options) {
    auto context = open_context(options);
    if (!context) return report("nodes", context.error(), 1);
    auto answers = known_nodes(*context);
    if (!options.json) {
        print_table(answers);
        return 0;
    }
    nlohmann::json list = nlohmann::json::array();
    for (auto& answer : answers) list.push_back(as_json(answer));
    std::printf("%s\n", list.dump(2).c_str());
    return 0;
}

int run_ping(const NodeOptions& options) {
    auto context = open_context(options);
    if (!context) return report("ping", context.error(), 1);
    auto address = resolve_node(context->config, options.node);
    if (!address) return report("ping", address.error(), 2);
    auto done = ping(*context, *address);
    return done ? 0 : report("ping", done.error(), 1);
}

}  // namespace pmi

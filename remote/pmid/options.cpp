#include "remote/pmid/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <limits>

#include "remote/config/config.h"
#include "runtime/base/escaped.h"
#include "runtime/base/output_end.h"

namespace pmi {

namespace {

constexpr int kUsage = 2;

std::string host_name() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0 || !is_node_name(name)) return "node";
    return name;
}

ParsedOptions stop(int status, const std::string& why) {
    std::fprintf(stderr, "pmid: %s\n", escaped(why).c_str());
    return {{}, status};
}

// What each guest may take, on top of the configuration's.
struct GuestOptions {
    std::string memory_max;
    double cpu_max = 0;
    int64_t cpu_weight = 0;
    uint32_t pids_max = 0;

    void add_to(CLI::App& app) {
        app.add_option("--guest-memory-max", memory_max, "memory for each guest, such as 1G (needs cgroups)")->type_name("SIZE");
        app.add_option("--guest-cpu-max", cpu_max, "CPUs for each guest, such as 1.5 (needs cgroups)")->type_name("CPUS");
        app.add_option("--guest-cpu-weight", cpu_weight,
                       "share of busy CPUs for each guest, 1 to 10000; others have 100 (needs cgroups)")
            ->type_name("N");
        app.add_option("--guest-pids-max", pids_max, "processes and threads for each guest (needs cgroups)")
            ->type_name("N")
            ->check(CLI::Range(1, std::numeric_limits<int32_t>::max()));
    }
    Status merge_into(const CLI::App& app, GuestLimits* limits) const {
        if (!memory_max.empty()) {
            auto size = parse_size(memory_max);
            if (!size) return std::move(size.error()).within("--guest-memory-max");
            limits->memory_max = *size;
        }
        if (app.count("--guest-cpu-max") > 0) {
            auto cpus = check_cpu_max(cpu_max);
            if (!cpus) return std::move(cpus.error()).within("--guest-cpu-max");
            limits->cpu_max = *cpus;
        }
        if (app.count("--guest-cpu-weight") > 0) {
            auto weight = check_cpu_weight(cpu_weight);
            if (!weight) return std::move(weight.error()).within("--guest-cpu-weight");
            limits->cpu_weight = *weight;
        }
        if (pids_max != 0) limits->pids_max = pids_max;
        return {};
    }
};

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
    CLI::App app{"pmid: lets programs of other machines run on this one", "pmid"};
    std::string listen, name, keys, log_file, memory_max, keep_pages = "2G";
    std::string log_level = "info";
    uint32_t max_guests = 64;
    bool insecure = false, no_patching = false, no_own_files = false, no_spare = false;
    app.add_option("--listen", listen, "address and port to listen on (default 0.0.0.0:7700)")->type_name("ADDR:PORT");
    app.add_option("--name", name, "name of this node (default: the host name)")->type_name("NAME");
    const CLI::Validator is_given([](std::string& given) { return given.empty() ? "is empty" : ""; }, "");
    app.add_option("--keys", keys, "key directory (default: $PMI_KEYS, else ~/.config/pmi/keys)")
        ->type_name("DIR")
        ->check(is_given);
    app.add_option("--log", log_file, "log file (default: standard error)")->type_name("FILE")->check(is_given);
    app.add_option("--log-level", log_level, "trace, debug, info (default), warn, error or off")
        ->type_name("LEVEL")
        ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
    app.add_option("--max-guests", max_guests, "how many programs may be here at a time (default 64)")->type_name("N");
    app.add_option("--memory-max", memory_max, "memory for all of them together, such as 8G")->type_name("SIZE");
    app.add_option("--keep-pages", keep_pages,
                   "memory for pages of programs that have gone, for when they come again (default 2G; 0: none)")
        ->type_name("SIZE");
    GuestOptions guest;
    guest.add_to(app);
    app.add_flag("--no-patching", no_patching, "leave the code of programs as it is; more of their calls take some microseconds");
    app.add_flag("--no-own-files", no_own_files,
                 "do not look for pages of mapped files in this machine's files; all of them travel");
    app.add_flag("--no-spare", no_spare, "start a guest's process and jail when it comes, not before; it takes some 15 ms longer");
    app.add_flag("--insecure", insecure, "no keys and no encryption: ANYBODY may run programs here");
    app.set_version_flag("--version", std::string("pmid ") + PMI_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) return {{}, end_output("pmid", app.exit(e))};  // --help, --version
        return stop(kUsage, e.what());
    }
    auto config = load_config();
    if (!config) return stop(kUsage, config.error().message());
    PmidOptions options;
    if (app.count("--listen") == 0) listen = config->pmid.listen.empty() ? "0.0.0.0:7700" : config->pmid.listen;
    auto address = parse_host_port(listen);
    if (!address) return stop(kUsage, std::move(address.error()).within("--listen").message());
    options.listen = *address;
    if (app.count("--name") == 0) name = config->pmid.name.empty() ? host_name() : config->pmid.name;
    if (!is_node_name(name)) return stop(kUsage, fmt::format("--name \"{}\": want 1 to 64 letters, digits, '.', '-', '_'", name));
    options.name = name;
    options.keys = keys.empty() && ::getenv("PMI_KEYS") == nullptr ? config->keys : keys;
    options.log_file = log_file.empty() ? config->log : log_file;
    options.log_level = log_level;
    options.insecure = insecure;
    options.patching = !no_patching && config->pmid.patching;
    options.own_files = !no_own_files && config->pmid.own_files;
    options.spare = !no_spare;
    bool guests_given = app.count("--max-guests") > 0;
    options.limits.guests_max = guests_given ? max_guests : config->pmid.max_guests.value_or(max_guests);
    options.limits.memory_max = config->pmid.memory_max.value_or(0);
    if (!memory_max.empty()) {
        auto size = parse_size(memory_max);
        if (!size) return stop(kUsage, std::move(size.error()).within("--memory-max").message());
        options.limits.memory_max = *size;
    }
    auto kept = parse_size(keep_pages);
    if (!kept) return stop(kUsage, std::move(kept.error()).within("--keep-pages").message());
    options.keep_pages = *kept;
    options.limits.guest = config->pmid.guest;
    if (auto merged = guest.merge_into(app, &options.limits.guest); !merged) return stop(kUsage, merged.error().message());
    return {options, -1};
}

}  // namespace pmi

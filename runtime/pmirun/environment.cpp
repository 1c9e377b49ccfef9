#include "runtime/pmirun/environment.h"

#include <unistd.h>

#include <string_view>

#include "runtime/pmirun/cpu_baseline.h"

namespace pmi::launch {
namespace {

class Environment {
  public:
    explicit Environment(char** inherited) {
        for (char** e = inherited; *e != nullptr; e++) entries.emplace_back(*e);
    }
    std::string get(std::string_view name) const {
        for (const auto& e : entries)
            if (names(e, name)) return e.substr(name.size() + 1);
        return {};
    }
    void set(std::string_view name, const std::string& value) {
        std::string entry = std::string(name) + "=" + value;
        for (auto& e : entries)
            if (names(e, name)) {
                e = std::move(entry);
                return;
            }
        entries.push_back(std::move(entry));
    }
    std::vector<std::string> entries;

  private:
    static bool names(std::string_view entry, std::string_view name) {
        return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
    }
};

// ld.so takes spaces and colons as separators.
bool holds_word(std::string_view list, std::string_view word) {
    for (size_t at = list.find(word); at != std::string_view::npos; at = list.find(word, at + 1)) {
        bool begins = at == 0 || list[at - 1] == ':' || list[at - 1] == ' ';
        size_t end = at + word.size();
        if (begins && (end == list.size() || list[end] == ':' || list[end] == ' ')) return true;
    }
    return false;
}

}  // namespace

bool kernel_has_yama() { return ::access("/proc/sys/kernel/yama/ptrace_scope", F_OK) == 0; }

std::vector<std::string> program_environment(char** inherited, const Options& options, const std::string& preload,
                                             const std::string& control_socket, bool has_yama) {
    Environment env(inherited);
    if (!preload.empty()) {
        std::string others = env.get("LD_PRELOAD");
        if (others.empty())
            env.set("LD_PRELOAD", preload);
        else if (!holds_word(others, preload))
            env.set("LD_PRELOAD", preload + ":" + others);
    }
    if (!options.cpu_baseline.empty()) {
        env.set("GLIBC_TUNABLES", tunables_for_baseline(options.cpu_baseline, env.get("GLIBC_TUNABLES")));
        env.set(kBaselineVariable, options.cpu_baseline);
    }
    env.set("PMI_JOB", control_socket);
    if (!preload.empty() && has_yama) env.set("PMI_YAMA", "1");
    return std::move(env.entries);
}

}  // namespace pmi::launch

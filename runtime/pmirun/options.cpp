#include "runtime/pmirun/options.h"

#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>

#include "runtime/base/fd.h"
#include "runtime/pmirun/cpu_baseline.h"

namespace pmi::launch {
namespace {

enum Long {
    Node = 256,
    Away,
    Control,
    Keys,
    Insecure,
    Name,
    Log,
    LogLevel,
    NoPreload,
    IoUring,
    TrapSignals,
    FreeHomeMemory,
    Summary,
    CpuBaseline
};

const option kLong[] = {{"node", required_argument, nullptr, Node},
                        {"away", no_argument, nullptr, Away},
                        {"control", required_argument, nullptr, Control},
                        {"keys", required_argument, nullptr, Keys},
                        {"insecure", no_argument, nullptr, Insecure},
                        {"name", required_argument, nullptr, Name},
                        {"log", required_argument, nullptr, Log},
                        {"log-level", required_argument, nullptr, LogLevel},
                        {"no-preload", no_argument, nullptr, NoPreload},
                        {"io-uring", required_argument, nullptr, IoUring},
                        {"trap-signals", no_argument, nullptr, TrapSignals},
                        {"free-home-memory", no_argument, nullptr, FreeHomeMemory},
                        {"summary", no_argument, nullptr, Summary},
                        {"cpu-baseline", required_argument, nullptr, CpuBaseline},
                        {"help", no_argument, nullptr, 'h'},
                        {"version", no_argument, nullptr, 'V'},
                        {nullptr, 0, nullptr, 0}};

// The supervisor lives in "/": paths are made absolute while the working directory is still the user's.
Expected<std::string> absolute(const char* option, const std::string& path) {
    if (path.empty()) return fail("{}: an empty path", option);
    if (path[0] == '/') return path;
    char directory[PATH_MAX];
    if (::getcwd(directory, sizeof directory) == nullptr) return fail_errno("working directory");
    return std::string(directory) + "/" + path;
}

// The supervisor opens it later, when there is nobody left to tell.
Status check_log_file(const std::string& path) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0666));
    if (!fd.valid()) return fail_errno("--log {}", path);
    return {};
}

bool is_log_level(const std::string& level) {
    for (const char* known : {"trace", "debug", "info", "warn", "error", "off"})
        if (level == known) return true;
    return false;
}

Status take(Options& o, int which, const std::string& value) {
    switch (which) {
        case Node: o.node = value; return value.empty() ? Status(fail("--node: no name given")) : Status();
        case Away: o.away = true; return {};
        case Control: {
            TRY_ASSIGN(o.control, absolute("--control", value));
            return {};
        }
        case Keys: {
            TRY_ASSIGN(o.keys, absolute("--keys", value));
            return {};
        }
        case Insecure: o.insecure = true; return {};
        case Name: o.name = value; return {};
        case Log: {
            TRY_ASSIGN(o.log, absolute("--log", value));
            return check_log_file(o.log);
        }
        case LogLevel:
            o.log_level = value;
            if (is_log_level(value)) return {};
            return fail("--log-level {}: not one of trace, debug, info, warn, error, off", value);
        case NoPreload: o.preload = false; return {};
        case IoUring:
            o.allow_io_uring = value == "allow";
            if (value == "allow" || value == "deny") return {};
            return fail("--io-uring {}: neither allow nor deny", value);
        case TrapSignals: o.trap_signals = true; return {};
        case FreeHomeMemory: o.free_home_memory = true; return {};
        case Summary: o.summary = true; return {};
        case CpuBaseline:
            o.cpu_baseline = value;
            if (is_cpu_baseline(value)) return {};
            return fail("--cpu-baseline {}: not one of x86-64, x86-64-v2, x86-64-v3, x86-64-v4", value);
        case 'h': o.action = Action::ShowHelp; return {};
        case 'V': o.action = Action::ShowVersion; return {};
    }
    return fail("option without a meaning");
}

// getopt has moved past the word it complains of, except within a cluster of letters ("-xy").
Error complaint(int answer, char** argv) {
    if (answer == ':') return fail("option {} needs a value", argv[optind - 1]);
    if (optopt != 0 && optopt < 256) return fail("unknown option -{} (see pmirun --help)", static_cast<char>(optopt));
    if (optopt >= 256) return fail("option {} takes no value", argv[optind - 1]);
    return fail("unknown option {} (see pmirun --help)", argv[optind - 1]);
}

}  // namespace

Expected<Options> parse_options(int argc, char** argv) {
    Options o;
    optind = 0;
    opterr = 0;
    for (;;) {
        int c = ::getopt_long(argc, argv, "+:hV", kLong, nullptr);  // '+': stop at the first word
        if (c == -1) break;
        if (c == '?' || c == ':') return complaint(c, argv);
        TRY(take(o, c, optarg != nullptr ? optarg : ""));
        if (o.action != Action::Run) return o;
    }
    for (int i = optind; i < argc; i++) o.program.push_back(argv[i]);
    if (o.program.empty()) return fail("no PROGRAM given (see pmirun --help)");
    if (const char* keys = ::getenv("PMI_KEYS"); o.keys.empty() && keys != nullptr && keys[0] != '\0') TRY(take(o, Keys, keys));
    if (o.name.empty()) {
        const char* slash = std::strrchr(o.program[0], '/');
        o.name = slash != nullptr ? slash + 1 : o.program[0];
    }
    return o;
}

const char* help_text() {
    return "Usage: pmirun [OPTION...] [--] PROGRAM [ARG...]\n"
           "Runs PROGRAM so that it can move to another machine and back. pmirun becomes PROGRAM: same PID,\n"
           "same files, same exit status. Move it with pmictl, or by signals to its PID: SIGRTMAX-1 sends "
           "it\n"
           "away, SIGRTMAX brings it home.\n"
           "\n"
           "  --node HOST[:PORT]    default destination: an address, or a name from the configuration\n"
           "  --away                leave as soon as PROGRAM has started\n"
           "  --control PATH        path of the control socket\n"
           "  --keys DIR            key directory (default: $PMI_KEYS, else ~/.config/pmi/keys)\n"
           "  --insecure            neither encrypt nor authenticate\n"
           "  --name NAME           name of the job (default: PROGRAM's)\n"
           "  --log FILE            log of the job's supervisor\n"
           "  --log-level LEVEL     trace, debug, info (default), warn, error, off\n"
           "  --no-preload          don't load libpmi.so into PROGRAM\n"
           "  --io-uring allow|deny whether PROGRAM may use io_uring, with which it can't move (default: "
           "allow)\n"
           "  --cpu-baseline LEVEL  x86-64, x86-64-v2, -v3 or -v4: newest instructions that glibc may pick, "
           "so that\n"
           "                        PROGRAM can move to CPUs of that level\n"
           "  --trap-signals        catch the two signals by ptrace: for static programs\n"
           "  --free-home-memory    keep no copy of PROGRAM's memory at home while it is away: all of it has to travel\n"
           "                        back\n"
           "  --summary             at the end, print on stderr what the system calls of PROGRAM, and of what it "
           "started,\n"
           "                        have cost while they were away\n"
           "  --help, --version\n"
           "\n"
           "Exit status: PROGRAM's own; 125 if pmirun fails, 126 if PROGRAM can't be run, 127 if it isn't "
           "found.\n";
}

}  // namespace pmi::launch

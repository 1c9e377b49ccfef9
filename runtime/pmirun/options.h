// What the command line of pmirun says.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi::launch {

enum class Action { Run, ShowHelp, ShowVersion };

struct Options {
    Action action = Action::Run;
    std::string node;       // where "away" goes by default; empty: the configuration's, or the best known
    bool away = false;      // leave as soon as PROGRAM has started
    std::string control;    // the control socket's path; empty: made in the control directory
    std::string keys;       // key directory; empty: the default one
    bool insecure = false;  // no CURVE
    std::string name;       // of the job; empty: PROGRAM's base name
    std::string log;        // file; empty: no log
    std::string log_level = "info";
    bool preload = true;
    bool allow_io_uring = true;
    bool summary = false;           // of calls made away, on stderr at the end
    bool trap_signals = false;      // catch the steering signals by ptrace, for static programs
    bool free_home_memory = false;  // home gives its copy of the memory up as soon as PROGRAM is away
    std::string cpu_baseline;       // x86-64, x86-64-v2, ...; empty: what this CPU has
    std::vector<char*> program;     // PROGRAM and its arguments, as typed; not empty when action is Run
};

// Options end at the first word that is none, or after "--": `pmirun ls -l` doesn't take -l for itself.
Expected<Options> parse_options(int argc, char** argv);
const char* help_text();

}  // namespace pmi::launch

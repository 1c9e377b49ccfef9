// The last step of the launcher: becoming PROGRAM.
#pragma once
#include <string>
#include <vector>

namespace pmi::launch {

constexpr int kExitLauncherFailed = 125;
constexpr int kExitCannotRun = 126;
constexpr int kExitNotFound = 127;

// The first file of that name in PATH's directories for which access(2) allows `mode`, as execvp(3) looks for it; a name with a
// slash as it is. Empty: there is none.
std::string find_on_path(const std::string& name, int mode);
// execvp(3) with this environment. Returns only on failure, the errno.
int become_program(const std::vector<char*>& program, const std::vector<std::string>& environment);
int exit_status_for(int exec_error);

}  // namespace pmi::launch

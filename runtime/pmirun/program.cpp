#include "runtime/pmirun/program.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace pmi::launch {
namespace {

// execvp(3) says EACCES also when nothing of that name exists but one directory of PATH can't be searched.
bool is_on_path(const std::string& name) {
    const char* path = ::getenv("PATH");
    for (std::string_view rest = path != nullptr ? path : "/bin:/usr/bin";;) {
        size_t colon = rest.find(':');
        std::string directory(rest.substr(0, colon));
        if (::access(((directory.empty() ? "." : directory) + "/" + name).c_str(), F_OK) == 0) return true;
        if (colon == std::string_view::npos) return false;
        rest.remove_prefix(colon + 1);
    }
}

}  // namespace

int become_program(const std::vector<char*>& program, const std::vector<std::string>& environment) {
    std::vector<char*> argv = program, envp;
    argv.push_back(nullptr);
    for (const auto& entry : environment) envp.push_back(const_cast<char*>(entry.c_str()));
    envp.push_back(nullptr);
    ::execvpe(argv[0], argv.data(), envp.data());
    int error = errno;
    std::string name = argv[0];
    bool searched = name.find('/') == std::string::npos;
    return error == EACCES && searched && !is_on_path(name) ? ENOENT : error;
}

int exit_status_for(int exec_error) { return exec_error == ENOENT ? kExitNotFound : kExitCannotRun; }

}  // namespace pmi::launch

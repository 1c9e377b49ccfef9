#include "runtime/pmirun/program.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace pmi::launch {

std::string find_on_path(const std::string& name, int mode) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = ::getenv("PATH");
    for (std::string_view rest = path != nullptr ? path : "/bin:/usr/bin";;) {
        size_t colon = rest.find(':');
        std::string directory(rest.substr(0, colon));
        std::string file = (directory.empty() ? "." : directory) + "/" + name;
        if (::access(file.c_str(), mode) == 0) return file;
        if (colon == std::string_view::npos) return {};
        rest.remove_prefix(colon + 1);
    }
}

int become_program(const std::vector<char*>& program, const std::vector<std::string>& environment) {
    std::vector<char*> argv = program, envp;
    argv.push_back(nullptr);
    for (const auto& entry : environment) envp.push_back(const_cast<char*>(entry.c_str()));
    envp.push_back(nullptr);
    ::execvpe(argv[0], argv.data(), envp.data());
    int error = errno;
    // execvp(3) says EACCES also when nothing of that name exists but one directory of PATH can't be searched.
    return error == EACCES && find_on_path(argv[0], F_OK).empty() ? ENOENT : error;
}

int exit_status_for(int exec_error) { return exec_error == ENOENT ? kExitNotFound : kExitCannotRun; }

}  // namespace pmi::launch

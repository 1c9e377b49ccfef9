#include "runtime/control/socket_place.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace pmi::control {
namespace {

std::string in_tmp() { return "/tmp/pmi-" + std::to_string(::geteuid()); }

// A variable left over from another user (sudo, su) must not make us litter that user's directory.
bool is_own_directory(const std::string& path) {
    struct stat st {};
    return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == ::geteuid();
}

std::string from_environment() {
    const char* runtime = ::getenv("XDG_RUNTIME_DIR");
    if (runtime == nullptr || runtime[0] != '/' || !is_own_directory(runtime)) return {};
    std::string path = runtime;
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path + "/pmi";
}

// For new sockets.
std::string own_directory() {
    std::string path = from_environment();
    return path.empty() ? in_tmp() : path;
}

}  // namespace

Status check_socket_directory(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) return fail_errno("control directory {}", path);
    if (!S_ISDIR(st.st_mode)) return fail("control directory {}: not a directory", path);
    if (st.st_uid != ::geteuid()) return fail("control directory {}: belongs to user {}", path, st.st_uid);
    if ((st.st_mode & 077) != 0) return fail("control directory {}: open to other users", path);
    return {};
}

namespace {

Expected<std::string> make_directory(const std::string& path) {
    // mkdir doesn't follow a symbolic link at the end. A umask may have taken even our own bits away.
    if (::mkdir(path.c_str(), 0700) == 0)
        ::chmod(path.c_str(), 0700);
    else if (errno != EEXIST)
        return fail_errno("make control directory {}", path);
    TRY(check_socket_directory(path));
    return path;
}

}  // namespace

Expected<std::string> make_socket_directory() { return make_directory(own_directory()); }

Expected<std::string> place_again(const std::string& path) {
    size_t slash = path.rfind('/');
    if (slash == std::string::npos) return fail("control socket {}: no directory", path);
    auto directory = make_directory(path.substr(0, slash));
    if (!directory) directory = make_directory(in_tmp());
    if (!directory) return std::move(directory.error());
    return *directory + path.substr(slash);
}

Status check_own_directory() {
    std::string path = own_directory();
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0 && errno == ENOENT) return {};
    return check_socket_directory(path);
}

std::vector<std::string> socket_directories() {
    std::vector<std::string> out;
    for (const std::string& path : {from_environment(), "/run/user/" + std::to_string(::geteuid()) + "/pmi", in_tmp()}) {
        if (path.empty() || !check_socket_directory(path)) continue;
        if (std::find(out.begin(), out.end(), path) == out.end()) out.push_back(path);
    }
    return out;
}

std::vector<std::string> list_sockets() {
    std::vector<std::string> out;
    for (const auto& directory : socket_directories()) {
        std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), ::closedir);
        if (!dir) continue;
        while (const dirent* e = ::readdir(dir.get())) {
            std::string name = e->d_name;
            if (name.ends_with(kSocketSuffix)) out.push_back(fmt::format("{}/{}", directory, name));
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace pmi::control

#include "runtime/pmirun/held_signals.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "runtime/base/fd.h"
#include "runtime/pmirun/program.h"

namespace pmi::launch {
namespace {

constexpr int kAway = 63, kHome = 64;  // SIGRTMAX-1, SIGRTMAX, for the kernel

sigset_t steering_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, kAway);
    ::sigaddset(&set, kHome);
    return set;
}

bool has_interpreter(int fd, const Elf64_Ehdr& head) {
    constexpr size_t kMost = 64;
    std::array<Elf64_Phdr, kMost> segments;
    if (head.e_phnum > kMost || head.e_phentsize != sizeof(Elf64_Phdr)) return false;
    size_t size = head.e_phnum * sizeof(Elf64_Phdr);
    if (::pread(fd, segments.data(), size, static_cast<off_t>(head.e_phoff)) != static_cast<ssize_t>(size)) return false;
    for (size_t i = 0; i < head.e_phnum; i++)
        if (segments[i].p_type == PT_INTERP) return true;
    return false;
}

bool obeys_preload(const std::string& file, int depth) {
    Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat st {};
    if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
    std::array<char, 256> first{};
    ssize_t size = ::pread(fd.get(), first.data(), first.size() - 1, 0);
    if (size > 2 && first[0] == '#' && first[1] == '!') {
        std::string_view line(first.data() + 2);
        line = line.substr(0, line.find('\n'));
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        line = line.substr(0, line.find_first_of(" \t"));
        return depth > 0 && !line.empty() && obeys_preload(std::string(line), depth - 1);
    }
    bool has_privileges = (st.st_mode & (S_ISUID | S_ISGID)) != 0 || ::fgetxattr(fd.get(), "security.capability", nullptr, 0) > 0;
    if (size < static_cast<ssize_t>(sizeof(Elf64_Ehdr)) || has_privileges) return false;
    Elf64_Ehdr head;
    std::memcpy(&head, first.data(), sizeof head);
    bool is_ours =
        std::memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64 && head.e_machine == EM_X86_64;
    return is_ours && has_interpreter(fd.get(), head);
}

}  // namespace

HeldSignals::HeldSignals() {
    sigset_t held = steering_signals();
    ::sigprocmask(SIG_BLOCK, &held, &before_);
}

std::string HeldSignals::note() const {
    int held = (::sigismember(&before_, kAway) == 0 ? 1 : 0) | (::sigismember(&before_, kHome) == 0 ? 2 : 0);
    return held == 0 ? "" : std::to_string(held);
}

void HeldSignals::let_go() const { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

bool obeys_preload(const std::string& program) {
    constexpr int kMostScripts = 4;
    std::string file = find_on_path(program, X_OK);
    return !file.empty() && obeys_preload(file, kMostScripts);
}

}  // namespace pmi::launch

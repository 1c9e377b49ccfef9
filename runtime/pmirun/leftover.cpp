#include "runtime/pmirun/leftover.h"

#include <dirent.h>
#include <unistd.h>

#include <memory>
#include <string_view>

#include "runtime/base/fd.h"

namespace pmi::launch {
namespace {

bool is_marked(const char* pid, const std::string& mark) {
    auto text = read_file(std::string("/proc/") + pid + "/environ");  // empty for a zombie
    if (!text) return false;
    for (size_t at = text->find(mark); at != std::string::npos; at = text->find(mark, at + 1)) {
        size_t end = at + mark.size();
        if ((at == 0 || (*text)[at - 1] == '\0') && (end == text->size() || (*text)[end] == '\0')) return true;
    }
    return false;
}

bool scan(const std::string& mark) {
    std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
    if (!proc) return true;  // can't tell: stay
    while (const dirent* e = ::readdir(proc.get()))
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && is_marked(e->d_name, mark)) return true;
    return false;
}

}  // namespace

bool has_leftover_process(const std::string& control_socket) {
    std::string mark = "PMI_JOB=" + control_socket;
    // Twice: a process forked during the first pass may have got a number that had been passed already.
    return scan(mark) || scan(mark);
}

}  // namespace pmi::launch

#include <cstdio>

#include "interpose/syscall/docs.h"

int main() {
    std::string page = pmi::syscall_docs();
    return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}

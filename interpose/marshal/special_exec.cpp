// execve and execveat: the path and both lists of strings. The deputy executes it with what stands in the
// arena.
#include <vector>

#include "interpose/marshal/special.h"
#include "interpose/syscall/build.h"

namespace pmi {
namespace {

constexpr uint64_t kMaxStrings = 6u << 20;   // three quarters of _STK_LIM: no kernel takes more
constexpr uint32_t kMaxString = 128u << 10;  // MAX_ARG_STRLEN
constexpr size_t kChunk = 64;                // pointers read at once

// The addresses in a list that ends with a null pointer.
std::vector<uint64_t> load_list(Gather& gather, uint64_t list) {
    std::vector<uint64_t> addresses;
    while (!gather.settled()) {
        uint64_t chunk[kChunk];
        uint64_t from = list + addresses.size() * 8;
        size_t got = gather.read_guest(from, std::as_writable_bytes(std::span(chunk))) / 8;
        for (size_t i = 0; i < got; i++) {
            if (chunk[i] == 0) return addresses;
            addresses.push_back(chunk[i]);
        }
        if (got < kChunk) gather.refuse(-EFAULT);
        if (addresses.size() > kMaxRelocs) gather.go_home("execve with more strings than can be forwarded");
    }
    return {};
}

// Lays out a list of strings as argument `i`; `total` counts the bytes of all lists.
void move_list(Gather& gather, unsigned i, uint64_t& total) {
    if (gather.arg(i) == 0) return;
    std::vector<uint64_t> addresses = load_list(gather, gather.arg(i));
    ByteBuffer text;
    std::vector<size_t> starts;
    for (uint64_t address : addresses) {
        ByteBuffer one = gather.load_string(address, kMaxString, -E2BIG);
        starts.push_back(text.size());
        text.append(one);
        total += one.size() + 8;
        if (total > kMaxStrings) gather.refuse(-E2BIG);
        if (gather.settled()) return;
    }
    uint32_t array = gather.reserve((addresses.size() + 1) * 8);
    uint32_t strings = gather.put_in(text);
    gather.point_arg(i, array);
    for (size_t n = 0; n < starts.size(); n++)
        gather.point_at(static_cast<uint32_t>(array + n * 8), static_cast<uint32_t>(strings + starts[n]));
}

void move_program(Gather& gather, unsigned first) {
    uint64_t total = 0;
    gather.move(first, rows::path("filename"));
    move_list(gather, first + 1, total);
    move_list(gather, first + 2, total);
}

}  // namespace

void marshal_execve(Gather& gather) { move_program(gather, 0); }
void marshal_execveat(Gather& gather) { move_program(gather, 1); }

}  // namespace pmi

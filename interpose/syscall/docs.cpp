#include "interpose/syscall/docs.h"

#include <fmt/format.h>

#include <map>

#include "interpose/syscall/row.h"

namespace pmi {
namespace {

constexpr const char* kIntroduction = R"(# System calls

Generated from the table in `interpose/syscall` by `pmi_syscall_docs`; a test compares them. One row a call of
x86-64 Linux up to 6.18. What a program that is away gets when it makes the call:

| route | meaning |
|---|---|
| local | runs natively in the guest |
| node | answered on the host node |
| identity | answered from what home knows: by home, and again by the node while that lasts |
| home | performed at home by the program's own task |
| both | done on both sides in step, or one or the other by its arguments |
| return | takes the program home first, and runs there natively |

Arguments: `fd` a file descriptor of home; `path`, `string` a string in; `in`, `out`, `inout` bytes with their length,
which is a number, the name of another argument, or `*` and the name of an argument that points to it; `invec`,
`outvec` an iovec; `special` marshalled by code of its own; `guest` an address that the guest's own kernel uses; a
bare name is a number. In the last-but-one column: how the call goes on after the stop of a move.

)";

std::string length_text(const Row& row, const Arg& arg) {
    std::string_view other = arg.len.rule == Len::Rule::None ? "" : row.args[arg.len.arg].name;
    switch (arg.len.rule) {
        case Len::Rule::None: return "";
        case Len::Rule::Const: return fmt::format("[{}]", arg.len.size);
        case Len::Rule::Arg: return fmt::format("[{}]", other);
        case Len::Rule::ArgTimes: return fmt::format("[{} × {}]", other, arg.len.size);
        case Len::Rule::PointedU32: return fmt::format("[*{}]", other);
    }
    return "";
}

std::string_view kind_text(ArgKind kind) {
    switch (kind) {
        case ArgKind::None:
        case ArgKind::Value: return "";
        case ArgKind::Fd: return "fd ";
        case ArgKind::Path: return "path ";
        case ArgKind::String: return "string ";
        case ArgKind::In: return "in ";
        case ArgKind::Out: return "out ";
        case ArgKind::InOut: return "inout ";
        case ArgKind::InVec: return "invec ";
        case ArgKind::OutVec: return "outvec ";
        case ArgKind::SockAddrOut: return "out ";
        case ArgKind::SockLen: return "inout ";
        case ArgKind::Special: return "special ";
        case ArgKind::Guest: return "guest ";
    }
    return "";
}

std::string arguments_text(const Row& row) {
    std::string text;
    for (const Arg& arg : row.args) {
        if (arg.kind == ArgKind::None) break;
        if (!text.empty()) text += ", ";
        text += fmt::format("{}{}{}", kind_text(arg.kind), arg.name, length_text(row, arg));
    }
    return text;
}

std::string_view interrupt_text(const Row& row) {
    switch (row.interrupt) {
        case Interrupt::Restarts: return "restarts";
        case Interrupt::RestartBlock: return "restart block";
        case Interrupt::Poll: return "issued again, rest of its timeout";
        case Interrupt::Eintr: return row.timeout == Timeout::None ? "issued again" : "issued again, rest of its timeout";
        case Interrupt::Never: return "";
    }
    return "";
}

std::string counts_text() {
    std::map<std::string_view, int> counts;
    for (const Row& row : syscall_table()) counts[route_name(row.route)]++;
    std::string text;
    for (const auto& [name, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
    return text;
}

}  // namespace

std::string syscall_docs() {
    std::string page = kIntroduction;
    page += fmt::format("{} calls: {}.\n\n", syscall_table().size(), counts_text());
    page += "| nr | call | route | arguments | interrupted | note |\n|---|---|---|---|---|---|\n";
    for (const Row& row : syscall_table())
        page += fmt::format("| {} | {} | {} | {} | {} | {} |\n", row.nr, row.name, route_name(row.route), arguments_text(row),
                            interrupt_text(row), row.note);
    return page;
}

}  // namespace pmi

// THE table against the kernel's own list (tests/data/syscalls-6.18.txt, made by
// tests/tools/make_syscall_data.py), and the generated page against the table.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "interpose/syscall/docs.h"
#include "interpose/syscall/row.h"
#include "runtime/base/fd.h"

namespace pmi {
namespace {

struct KernelCall {
    int nr = 0;
    std::string name;
    bool has_event = false;
    unsigned count = 0;
    unsigned pointers = 0;
    std::vector<std::string> arguments;
};

std::vector<KernelCall> kernel_calls() {
    std::ifstream file(PMI_SOURCE_DIR "/tests/data/syscalls-6.18.txt");
    std::vector<KernelCall> calls;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        KernelCall call;
        std::string count, pointers;
        words >> call.nr >> call.name >> count >> pointers;
        call.has_event = count != "-";
        if (call.has_event) {
            call.count = static_cast<unsigned>(std::stoul(count));
            call.pointers = static_cast<unsigned>(std::stoul(pointers));
        }
        for (std::string word; words >> word;) call.arguments.push_back(word);
        calls.push_back(call);
    }
    return calls;
}

unsigned argument_count(const Row& row) {
    unsigned n = 0;
    while (n < 6 && row.args[n].kind != ArgKind::None) n++;
    return n;
}

bool is_pointer(ArgKind kind) { return kind != ArgKind::None && kind != ArgKind::Value && kind != ArgKind::Fd; }

// Where the kernel declares a number and the row a pointer, or the reverse. Each with its reason.
const std::map<std::pair<std::string, unsigned>, std::string> kDifferent = {
    {{"ioctl", 2}, "unsigned long: a pointer for most requests"},
    {{"fcntl", 2}, "unsigned long: a pointer for some commands"},
    {{"semctl", 3}, "unsigned long: a union"},
    {{"prctl", 1}, "unsigned long: a pointer for some options"},
    {{"prctl", 2}, "unsigned long: a pointer for some options"},
    {{"prctl", 3}, "unsigned long: a pointer for some options"},
    {{"prctl", 4}, "unsigned long: a pointer for some options"},
    {{"keyctl", 1}, "unsigned long: a pointer for some operations"},
    {{"keyctl", 2}, "unsigned long: a pointer for some operations"},
    {{"keyctl", 3}, "unsigned long: a pointer for some operations"},
    {{"keyctl", 4}, "unsigned long: a pointer for some operations"},
    {{"sysfs", 1}, "unsigned long: a pointer for options 1 and 2"},
    {{"sysfs", 2}, "unsigned long: a pointer for option 2"},
    {{"capget", 0}, "cap_user_header_t is a pointer type"},
    {{"capget", 1}, "cap_user_data_t is a pointer type"},
    {{"capset", 0}, "cap_user_header_t is a pointer type"},
    {{"capset", 1}, "cap_user_data_t is a pointer type"},
    {{"sendto", 3}, "special for its flags: MSG_ZEROCOPY goes home"},
    {{"personality", 0}, "special for its value: some go home"},
    {{"timer_create", 0}, "special for its value: CPU clocks go home"},
    {{"clock_nanosleep", 0}, "special for its value: CPU clocks go home"},
};

TEST(Table, HasEveryCallOfTheKernelAndNoOther) {
    auto calls = kernel_calls();
    ASSERT_GT(calls.size(), 370u);
    for (const KernelCall& call : calls) {
        const Row* row = find_row(call.nr);
        ASSERT_NE(row, nullptr) << call.nr << " " << call.name;
        EXPECT_EQ(row->name, call.name);
        EXPECT_EQ(row->nr, call.nr);
    }
    EXPECT_EQ(syscall_table().size(), calls.size());
}

TEST(Table, ArgumentsAreTheKernels) {
    for (const KernelCall& call : kernel_calls()) {
        if (!call.has_event) continue;
        const Row& row = *find_row(call.nr);
        ASSERT_EQ(argument_count(row), call.count) << call.name;
        for (unsigned i = 0; i < call.count; i++) EXPECT_EQ(row.args[i].name, call.arguments[i]) << call.name;
    }
}

TEST(Table, PointersAreTheKernels) {
    size_t differences = 0;
    for (const KernelCall& call : kernel_calls()) {
        if (!call.has_event) continue;
        const Row& row = *find_row(call.nr);
        for (unsigned i = 0; i < call.count; i++) {
            bool in_kernel = (call.pointers >> i & 1) != 0;
            if (in_kernel == is_pointer(row.args[i].kind)) continue;
            differences++;
            EXPECT_TRUE(kDifferent.count({call.name, i})) << call.name << ", argument " << call.arguments[i];
        }
    }
    EXPECT_EQ(differences, kDifferent.size()) << "a difference that is listed is none";
}

TEST(Table, LengthsAreLengths) {
    for (const Row& row : syscall_table())
        for (const Arg& arg : row.args) {
            bool sized = arg.kind == ArgKind::In || arg.kind == ArgKind::Out || arg.kind == ArgKind::InOut;
            EXPECT_EQ(sized && arg.len.rule == Len::Rule::None, false) << row.name << " " << arg.name;
            if (arg.len.rule == Len::Rule::Const) {
                EXPECT_GT(arg.len.size, 0u) << row.name << " " << arg.name;
            }
            bool counted = arg.len.rule == Len::Rule::Arg || arg.len.rule == Len::Rule::ArgTimes;
            if (counted) {
                EXPECT_EQ(row.args[arg.len.arg].kind, ArgKind::Value) << row.name << " " << arg.name;
            }
            EXPECT_GT(arg.result_unit, 0u);
        }
}

TEST(Table, NothingThatNamesHomeIsLocal) {
    for (const Row& row : syscall_table()) {
        if (row.route != Route::Local) continue;
        for (const Arg& arg : row.args)
            EXPECT_TRUE(arg.kind == ArgKind::None || arg.kind == ArgKind::Value || arg.kind == ArgKind::Guest)
                << row.name << " " << arg.name;
    }
}

TEST(Table, WhatGoesHomeSaysWhy) {
    for (const Row& row : syscall_table()) {
        if (row.route == Route::Return) {
            EXPECT_FALSE(row.note.empty()) << row.name;
        }
    }
}

TEST(Table, TimeoutsAndMasksAreArguments) {
    for (const Row& row : syscall_table()) {
        if (row.timeout != Timeout::None) {
            EXPECT_NE(row.args[row.timeout_arg].kind, ArgKind::None) << row.name;
            EXPECT_NE(row.interrupt, Interrupt::Never) << row.name;
            bool number = row.args[row.timeout_arg].kind == ArgKind::Value;
            EXPECT_EQ(number, row.timeout == Timeout::MillisArg) << row.name;
        }
        if (row.sigmask_arg != 0xff) {
            EXPECT_TRUE(is_pointer(row.args[row.sigmask_arg].kind)) << row.name;
        }
    }
}

TEST(Table, UnknownNumbersHaveNoRow) {
    EXPECT_EQ(find_row(-1), nullptr);
    EXPECT_EQ(find_row(337), nullptr);
    EXPECT_EQ(find_row(423), nullptr);
    EXPECT_EQ(find_row(470), nullptr);
    EXPECT_EQ(find_row(int64_t{1} << 40), nullptr);
}

TEST(Table, ThePageIsGeneratedFromIt) {
    auto page = read_file(PMI_SOURCE_DIR "/docs/syscalls.md");
    ASSERT_TRUE(page) << page.error().message();
    EXPECT_TRUE(*page == syscall_docs()) << "run pmi_syscall_docs > docs/syscalls.md";
}

}  // namespace
}  // namespace pmi

// The families put together and ordered, all while compiling; what can be wrong with a row by itself is
// checked here too. That the rows agree with the kernel is tests/unit/table_test.cpp's business.
#include <algorithm>

#include "interpose/syscall/rows_files.h"
#include "interpose/syscall/rows_io.h"
#include "interpose/syscall/rows_ipc.h"
#include "interpose/syscall/rows_memory.h"
#include "interpose/syscall/rows_net.h"
#include "interpose/syscall/rows_process.h"
#include "interpose/syscall/rows_system.h"
#include "interpose/syscall/rows_time_signals.h"

namespace pmi {
namespace {

using namespace rows;

constexpr size_t kCount = std::size(kIo) + std::size(kFiles) + std::size(kNet) + std::size(kMemory) + std::size(kProcess) +
                          std::size(kTimeSignals) + std::size(kIpc) + std::size(kSystem);

constexpr auto all_rows() {
    std::array<Row, kCount> all{};
    size_t n = 0;
    auto take = [&](const auto& family) {
        for (const Row& row : family) all[n++] = row;
    };
    take(kIo);
    take(kFiles);
    take(kNet);
    take(kMemory);
    take(kProcess);
    take(kTimeSignals);
    take(kIpc);
    take(kSystem);
    std::sort(all.begin(), all.end(), [](const Row& a, const Row& b) { return a.nr < b.nr; });
    return all;
}

constexpr std::array<Row, kCount> kTable = all_rows();
constexpr int kHighest = kTable.back().nr;

constexpr bool numbers_are_unique() {
    for (size_t i = 1; i < kTable.size(); i++)
        if (kTable[i].nr <= kTable[i - 1].nr) return false;
    return true;
}
static_assert(numbers_are_unique());

constexpr bool lengths_lead_to_arguments() {
    for (const Row& row : kTable)
        for (const Arg& arg : row.args) {
            if (arg.len.rule == Len::Rule::None || arg.len.rule == Len::Rule::Const) continue;
            if (arg.len.arg >= 6 || row.args[arg.len.arg].kind == ArgKind::None) return false;
        }
    return true;
}
static_assert(lengths_lead_to_arguments());

// What the kernel uses in the guest is never forwarded, and the other way round.
constexpr bool guest_addresses_stay() {
    for (const Row& row : kTable)
        for (const Arg& arg : row.args) {
            bool forwarded = row.route == Route::Home || row.route == Route::Identity;
            if (forwarded && arg.kind == ArgKind::Guest) return false;
            bool names_home = arg.kind == ArgKind::Fd || arg.kind == ArgKind::Path;
            if (row.route == Route::Local && names_home) return false;
        }
    return true;
}
static_assert(guest_addresses_stay());

constexpr auto positions() {
    std::array<int16_t, kHighest + 1> position{};
    for (auto& p : position) p = -1;
    for (size_t i = 0; i < kTable.size(); i++) position[static_cast<size_t>(kTable[i].nr)] = static_cast<int16_t>(i);
    return position;
}
constexpr auto kPosition = positions();

}  // namespace

std::span<const Row> syscall_table() { return kTable; }

const Row* find_row(int64_t nr) {
    if (nr < 0 || nr > kHighest) return nullptr;
    int16_t position = kPosition[static_cast<size_t>(nr)];
    return position < 0 ? nullptr : &kTable[static_cast<size_t>(position)];
}

std::string_view route_name(Route route) {
    switch (route) {
        case Route::Local: return "local";
        case Route::Node: return "node";
        case Route::Identity: return "identity";
        case Route::Home: return "home";
        case Route::Both: return "both";
        case Route::Return: return "return";
    }
    return "?";
}

}  // namespace pmi

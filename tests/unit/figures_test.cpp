// What people read of a move.
#include "runtime/pmictl/figures.h"

#include <gtest/gtest.h>

namespace pmi::ctl {
namespace {

using nlohmann::json;

TEST(Figures, LineOfAMove) {
    json reply = {{"frozen_us", 8100}, {"bytes", 13002342}, {"total_us", 35000}};
    EXPECT_EQ(figures(reply), "frozen 8.1 ms, 12.4 MiB sent, 35 ms in all");
    EXPECT_EQ(figures({{"frozen_us", 12'000'000}}), "frozen 12.0 s");
    EXPECT_EQ(figures({{"frozen_us", "much"}}), "");
    EXPECT_EQ(figures(json::object()), "");
}

TEST(Figures, TheRest) {
    json reply = {{"stall_us", 900},         {"rounds", 3},          {"zero_pages", 256}, {"found_pages", 512},
                  {"compressed_from", 4096}, {"compressed_to", 1024}};
    EXPECT_EQ(more_figures(reply),
              "longest stall 0.9 ms, 3 rounds, 1.0 MiB of zeros not sent, 2.0 MiB found there, 4.0 KiB compressed to 1.0 KiB");
    EXPECT_EQ(more_figures({{"stall_us", 900},
                            {"rounds", 1},
                            {"zero_pages", 0},
                            {"found_pages", 0},
                            {"compressed_from", 0},
                            {"compressed_to", 0}}),
              "longest stall 0.9 ms, 1 round");
}

TEST(Figures, ProgressFitsTheTerminal) {
    Underway move;
    move.round = 2;
    move.bytes = 3u << 30, move.left = 1u << 30;
    move.rate = 1e9;
    move.us = 2'500'000;
    std::string line = progress_line("38 -> big", move, 200);
    EXPECT_EQ(line, "38 -> big  round 2  [###############-----]  75%  3.0 GiB, 1.0 GiB left  953.7 MiB/s  2.5 s");
    EXPECT_EQ(progress_line("38 -> big", move, 20), line.substr(0, 20));
    move.standing = true, move.left = 0, move.rate = 0;
    EXPECT_EQ(progress_line("38 -> home", move, 200), "38 -> home  standing still  3.0 GiB  2.5 s");
}

}  // namespace
}  // namespace pmi::ctl

#!/usr/bin/env python3
"""What a program feels of its moves: the longest gap of a thread that reads the clock, and the slowest of the calls that
another thread makes every millisecond, over a move out and one home, while a third writes random pages. The program
checks its memory afterwards. Prints a table of medians; status 1 if memory was wrong.

  live.py --build BUILD [--size 1g] [--rate 10000] [--mode auto] [--threads 64] [--mappings 2000] [--reserve 1t] [--repeat 7] [--json FILE]"""

import argparse
import json
import os
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import nodes  # noqa: E402
import system  # noqa: E402
from away import Resident  # noqa: E402

UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
COLUMNS = ("gap ms", "call ms", "frozen ms", "total ms", "MiB", "written MiB", "rounds")


def size_of(text):
    return int(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else int(text)


class Heartbeat(Resident):
    program = "heartbeat"

    def measured(self, move):
        """Figures of one move, in the order of COLUMNS."""
        self.talk.ask("begin")
        answer = move()
        gap, call, written = map(int, self.talk.ask("report").split())
        return (gap / 1000, call / 1000, answer["frozen_us"] / 1000, answer["total_us"] / 1000, answer["bytes"] / (1 << 20),
                written * 4096 / (1 << 20), answer.get("rounds", 0))


def wait_until_left(node, within=60.0):
    """What was there is gone: until then the node has its memory, and may have no room for the next one's."""
    until = time.monotonic() + within
    while node.processes() and time.monotonic() < until:
        time.sleep(0.02)


def measure(run, node, programs, size, rate, mode, options):
    got, wrong, repeat = {"out": [], "home": []}, 0, options.repeat
    with Heartbeat(run, node, programs) as program:
        program.job.mode = mode
        for what in ("threads", "mappings"):
            if getattr(options, what) > 0:
                program.talk.ask(f"{what} {getattr(options, what)}")
        if options.reserve:
            program.talk.ask(f"reserve {size_of(options.reserve)}")
        program.talk.ask(f"fill {size}")
        program.talk.ask(f"write {rate}")
        for n in range(repeat + 1):
            wait_until_left(node)
            for way, move in (("out", program.leave), ("home", program.come_home)):
                figures = program.measured(move)
                if n > 0:  # the first ones warmed up
                    got[way].append(figures)
                wrong += program.talk.ask("check") != "0 wrong"
    return got, wrong


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--programs", help="the programs to measure with (default: BUILD/tests/bench)")
    parser.add_argument("--size", action="append", help="bytes, with k, m, g or t (default: 64m and 1g)")
    parser.add_argument("--rate", action="append", type=int, help="pages written a second (default: 0 and 10000)")
    parser.add_argument("--mode", action="append", help="of the moves out (default: auto and stop)")
    parser.add_argument("--threads", type=int, default=0, help="that do little, besides the three that measure")
    parser.add_argument("--mappings", type=int, default=0, help="of a page each, besides")
    parser.add_argument("--reserve", help="address space that is not used, with k, m, g or t")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--nodes", choices=["auto", "namespace", "plain"], default="auto")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    options = parser.parse_args(arguments)
    programs = os.path.abspath(options.programs or os.path.join(options.build, "tests/bench"))
    system.become_subreaper()
    system.inherit_default_signals()
    print(f"{'size':>6} {'pages/s':>8} {'mode':8} {'way':4} " + " ".join(f"{c:>11}" for c in COLUMNS), flush=True)
    bad, rows = 0, []
    with nodes.Run(options.build, options.nodes) as run, nodes.Node(run, 1, log_level="warn") as node:
        for size in options.size or ["64m", "1g"]:
            for rate in options.rate or [0, 10000]:
                for mode in options.mode or ["auto", "stop"]:
                    got, wrong = measure(run, node, programs, size_of(size), rate, mode, options)
                    bad += wrong
                    for way, figures in got.items():
                        medians = [statistics.median(column) for column in zip(*figures)]
                        print(f"{size:>6} {rate:>8} {mode:8} {way:4} " + " ".join(f"{m:11.1f}" for m in medians)
                              + ("  MEMORY WRONG" if wrong else ""), flush=True)
                        rows.append({"size": size, "rate": rate, "mode": mode, "way": way, "columns": COLUMNS, "values": figures})
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    if options.json:
        with open(options.json, "w") as f:
            json.dump(rows, f, indent=1)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Measures what pmi costs: programs at home, programs away, moves. Prints a table; status 1 if a target is missed by more
than the noise of the machine. Programs that it uses: cmake --build BUILD --target bench_programs"""

import argparse
import fnmatch
import json
import os
import platform
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import at_home  # noqa: E402
import away  # noqa: E402
import follow  # noqa: E402
import moves  # noqa: E402
import nodes  # noqa: E402
import programs  # noqa: E402
import reading  # noqa: E402
import system  # noqa: E402
from measure import FAIL, Table  # noqa: E402

AWAY = {"clocks": away.clocks, "patched": away.patched, "answered": away.answered, "local": away.local, "calls": away.calls}
BENCHES = [*at_home.NAMES, *away.COMPUTE, *AWAY, *reading.NAMES, *programs.NAMES, *moves.SIZES, *follow.SIZES]
MODE_NAMES = {"namespace": "joined by veth", "plain": "over loopback"}


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="build folder, with the programs in bin/")
    parser.add_argument("--programs", help="the programs to measure with (default: BUILD/tests/bench)")
    parser.add_argument("--only", action="append", metavar="NAME", help=f"of {', '.join(BENCHES)}; * and ? work, may be repeated")
    parser.add_argument("--repeat", type=int, default=7, help="repetitions (default 7)")
    parser.add_argument("--nodes", choices=["auto", "namespace", "plain", "both"], default="auto",
                        help="for what is away (default: namespaces if they can be made)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    options = parser.parse_args(arguments)
    options.programs = os.path.abspath(options.programs or os.path.join(options.build, "tests/bench"))
    if not os.path.exists(os.path.join(options.programs, "resident")):
        parser.error(f"no programs in {options.programs}: cmake --build {options.build} --target bench_programs")
    wanted = options.only or [b for b in BENCHES if b not in follow.BY_HAND]
    options.benches = [b for b in BENCHES if any(fnmatch.fnmatchcase(b, glob) for glob in wanted)]
    if not options.benches:
        parser.error("--only names no bench")
    return options


def measure_home(table, options):
    names = [n for n in at_home.NAMES if n in options.benches]
    if not names:
        return
    with nodes.Run(options.build, "plain") as run:
        home = at_home.AtHome(run, options.programs, options.repeat)
        table.title("At home: without pmirun, with it")
        for name in names:
            table.add(*home.bench(name))


def measure_away(table, options, mode):
    names = [n for n in (*away.COMPUTE, *AWAY, *reading.NAMES, *programs.NAMES) if n in options.benches]
    if not names:
        return
    with nodes.Run(options.build, mode) as run, nodes.Node(run, 1, log_level="warn") as node:
        here = (run, node, options.programs, options.repeat)
        table.title(f"Away, nodes {MODE_NAMES[run.mode]}: native or plain TCP, away")
        for measure, its in ((away.compute, away.COMPUTE), (reading.reading, reading.NAMES), (programs.programs, programs.NAMES)):
            wanted = [n for n in its if n in names]
            if wanted:
                table.add(*measure(*here, wanted))
        for name in [n for n in AWAY if n in names]:
            table.add(*AWAY[name](*here))


def measure_moves(table, options, mode):
    names = [n for n in moves.SIZES if n in options.benches]
    for insecure in ([], ["--insecure"]) if names else ():
        with nodes.Run(options.build, mode) as run, nodes.Node(run, 1, log_level="warn", pmid_options=["--keep-pages", "0", *insecure]) as node:
            table.title(f"Moves, nodes {MODE_NAMES[run.mode]}, {'in clear (--insecure)' if insecure else 'encrypted'}:"
                        " plain TCP in clear, pmi")
            for name in names:
                table.add(*moves.move(run, node, options.programs, options.repeat, moves.SIZES[name], insecure))


def measure_follow(table, options, mode):
    names = [n for n in follow.SIZES if n in options.benches]
    if not names:
        return
    with nodes.Run(options.build, mode) as run, nodes.Node(run, 1, log_level="warn", pmid_options=["--keep-pages", "0"]) as node:
        table.title(f"Memory that follows, nodes {MODE_NAMES[run.mode]}, encrypted: plain TCP in clear, pmi")
        for name in names:
            table.add(*follow.follow(run, node, options.programs, options.repeat, follow.SIZES[name]))


def main(arguments):
    options = parse(arguments)
    system.become_subreaper()
    system.inherit_default_signals()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; medians of {options.repeat}")
    table = Table()
    measure_home(table, options)
    modes = ["namespace", "plain"] if options.nodes == "both" else [options.nodes]
    for mode in modes:
        measure_away(table, options, mode)
        measure_moves(table, options, mode)
        measure_follow(table, options, mode)
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    if options.json:
        with open(options.json, "w") as f:
            json.dump([row.as_json() for row in table.rows], f, indent=1)
    return 1 if any(row.mark == FAIL for row in table.rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

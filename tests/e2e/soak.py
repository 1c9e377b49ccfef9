#!/usr/bin/env python3
"""A program with eight threads, which checks, writes, maps, forks and stores, is moved MOVES times: out, on to a second node, home, in all
modes, at random instants. It must not find an error, and nothing may be left behind.

  soak.py --build BUILD [--moves 500] [--megabytes 32] [--mode auto --mode stop ...] [--seed S]"""

import argparse
import collections
import os
import random
import subprocess
import sys
import time

import nodes
import system
from driver import CommandError, Hang, Job

MODES = ["auto", "stop", "precopy"]
MAY_FAIL = ("a new process of it is being started", "it makes threads faster", "a thread ended meanwhile")


def moves(job, places, options, chance):
    """What was done, and what failed: counters by way and mode, and messages."""
    done, failed, where = collections.Counter(), [], "home"
    while sum(done.values()) < options.moves and job.is_running():
        time.sleep(chance.uniform(0, options.pause))
        mode = chance.choice(options.mode)
        to = chance.choice([place for place in ("home", *places) if place != where])
        try:
            answer = job.home(job.pid, timeout=60) if to == "home" else job.migrate(job.pid, places[to], mode, timeout=60)
        except CommandError as e:
            failed.append(f"{where} -> {to} {mode}: {e.reason}")
            where = "home" if job.where(job.pid) == "home" else next(p for p in places if places[p].name == job.where(job.pid))
            if len(failed) > options.moves:
                break
            continue
        kind = answer.get("mode", "precopy" if answer.get("rounds") else "stop")
        done["home" if to == "home" else "out" if where == "home" else "hop", kind] += 1
        where = to
    return done, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--moves", type=int, default=500)
    parser.add_argument("--megabytes", type=int, default=32)
    parser.add_argument("--pause", type=float, default=0.1, help="longest time between two moves, seconds")
    parser.add_argument("--mode", action="append", help="(default: all)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    parser.add_argument("--nodes", default="auto", choices=("auto", "namespace", "plain"))
    options = parser.parse_args()
    options.mode = options.mode or MODES
    chance = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    system.become_subreaper()
    system.inherit_default_signals()
    with nodes.Run(options.build, options.nodes) as run, nodes.Node(run, 1) as first, nodes.Node(run, 2) as second:
        program = run.compile("soak", "-O2", "-pthread")
        directory = os.path.join(run.directory, "job")
        os.mkdir(directory, 0o755)
        job = Job(run, directory, [first, second], [program, str(options.megabytes)], stdin=subprocess.PIPE, timeout=60)
        wrong = []
        try:
            job.wait_for_start()
            done, failed = moves(job, {"first": first, "second": second}, options, chance)
            job.process.stdin.close()
            status = job.wait(60)
            for (way, kind), count in sorted(done.items()):
                print(f"{way:5} {kind:8} {count:5}")
            print(f"refused or failed: {len(failed)}")
            for text, count in collections.Counter(text.split(": ", 1)[-1] for text in failed).most_common(5):
                print(f"  {count} x {text}")
            print(job.output().strip(), flush=True)
            wrong += [text for text in failed if not any(known in text for known in MAY_FAIL)]
            if status != 0 or " 0 errors" not in job.output():
                wrong.append(f"status {status}: {job.errors().strip()[-500:]}")
            if sum(done.values()) < options.moves:
                wrong.append(f"{sum(done.values())} moves instead of {options.moves}")
        except Hang as e:
            wrong.append(f"{e}\n{job.state_of_hang()}")
        wrong += job.leftovers()
        if wrong:
            print("FAIL", *wrong[:10], job.logs(30), sep="\n", flush=True)
        job.end()
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The cable between home and a node is pulled while a program is away or moves. If it is back in time, the program goes on:
no call is lost or made twice. If it is not, the program's parent sees it killed, its stderr says why, and the node ends the
guest.

  link_cuts.py --build BUILD [--repeat N] [--seed S]
"""

import argparse
import os
import random
import sys
import time

import nodes
import system
from driver import CommandError, Hang, Job, RandomMover
from failures import check, COUNT

DETECTION = 9.0  # seconds until a connection that has data on its way notices (remote/transport/tcp.h)


class Round:
    def __init__(self, run, program, name, number, reconnect):
        self.reconnect = reconnect
        self.directory = os.path.join(run.directory, f"{name}-{number}")
        os.makedirs(os.path.join(self.directory, ".config", "pmi"), 0o755)
        with open(os.path.join(self.directory, ".config", "pmi", "pmi.toml"), "w") as f:
            f.write(f"[pmi]\nreconnect_seconds = {reconnect}\n")
        self.node = nodes.Node(run, number)
        self.run, self.program = run, program

    def __enter__(self):
        self.node.__enter__()
        self.job = Job(self.run, self.directory, [self.node], [self.program, str(COUNT), "8"], timeout=40)
        return self

    def __exit__(self, *unused):
        self.job.end()
        self.node.__exit__(*unused)

    def cut(self, seconds):
        self.node.set_link(False)
        time.sleep(seconds)
        self.node.set_link(True)

    def lines(self):
        return len(self.job.output().splitlines())

    def wait_for_lines(self, count, within=20):
        end = time.monotonic() + within
        while self.lines() < count:
            if time.monotonic() > end:
                raise Hang(f"{self.lines()} lines after {within} s")
            time.sleep(0.01)

    def conclude(self, may_die=False):
        status = self.job.wait(60)
        wrong = check(self.job, status)
        if wrong is None and status != 0 and not may_die:
            wrong = f"ended with {status}: {self.job.errors().strip()[-300:]}"
        # A node that was not told of the program's way home or end waits for home as long as it was asked to.
        if wrong is None and (left := self.job.leftovers(self.reconnect + 15)):
            wrong = "\n".join(left)
        return wrong


def away(r, chance):
    """Cut while the program is away and makes calls; long enough to be noticed."""
    r.job.wait_for_start()
    r.job.migrate(r.job.pid, r.node)
    r.wait_for_lines(r.lines() + 3)
    r.cut(DETECTION + chance.uniform(1, 4))
    before = r.lines()
    r.wait_for_lines(min(COUNT, before + 5))
    if r.job.is_running():
        try:
            r.job.home(r.job.pid)
        except CommandError as e:
            if not e.is_gone():
                return f"can't come home after the cut: {e}"
    return r.conclude()


def short(r, chance):
    """Cuts that no connection notices."""
    r.job.wait_for_start()
    r.job.migrate(r.job.pid, r.node)
    for _ in range(4):
        r.cut(chance.uniform(0.05, 0.6))
        time.sleep(chance.uniform(0.05, 0.2))
    return r.conclude()


def moving(r, chance):
    """One long cut at any instant of moves out and home. A move that is under way fails; the program goes on."""
    mover = RandomMover(r.job, [r.node], chance.randrange(1000), pause=(0.0, 0.05), alternate=True)
    mover.start()
    time.sleep(chance.uniform(0.1, 0.7))
    r.cut(DETECTION + chance.uniform(1, 3))
    try:
        return r.conclude()
    finally:
        mover.stopped.set()
        mover.join(45)


def for_good(r, chance):
    """Nobody mends it in time."""
    r.job.wait_for_start()
    r.job.migrate(r.job.pid, r.node)
    r.wait_for_lines(r.lines() + 3)
    r.node.set_link(False)
    status = r.job.wait(DETECTION + 20)
    r.node.set_link(True)
    if status == 0:
        return "ended well in spite of the cut"
    return r.conclude(may_die=True)


CASES = {"short": (short, 30), "away": (away, 30), "moving": (moving, 30), "for_good": (for_good, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--match", default="")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if not nodes.can_make_namespaces():
        print("skip  no namespaces: there is no cable to be pulled")
        return
    seed = options.seed if options.seed is not None else int(time.time()) % 100000
    system.become_subreaper()
    system.inherit_default_signals()
    bad = number = 0
    with nodes.Run(options.build, "namespace") as run:
        program = run.compile("checked_counter", "-pthread")
        for name, (case, reconnect) in CASES.items():
            for n in range(options.repeat if options.match in name else 0):
                number += 1
                began = time.monotonic()
                with Round(run, program, name, number, reconnect) as r:
                    try:
                        wrong = case(r, random.Random(seed + n))
                    except (Hang, CommandError) as e:
                        wrong = f"{e}\n{r.job.state_of_hang()}"
                    if wrong is not None:
                        wrong += f"\n{r.job.logs(30)}"
                word = "ok  " if wrong is None else "FAIL"
                print(f"{word} {name:9} seed {seed + n} {time.monotonic() - began:.1f} s {wrong or ''}", flush=True)
                bad += wrong is not None
    print(f"{bad} bad")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Never two, never none: one part of pmi is killed at a random instant while a program is moved about. Whatever died,
the program goes on to its own end, or its parent sees it killed and its stderr says why; its output is never repeated
and never has a gap, and nothing is left behind here or on the node.

  failures.py --build BUILD [--match VICTIM] [--repeat N] [--seed S] [--mode MODE]
"""

import argparse
import os
import random
import re
import signal
import sys
import time

import nodes
import system
from driver import Hang, Job, RandomMover

# Who is killed, and whether the program may die of it wherever it is. (A session is a process of pmid for one family,
# with a parent that waits for it. A spare is a session that has no family yet, and has an empty jail.)
VICTIMS = {
    "session": ("node", "pmid-session"),
    "jail": ("node", "pmi-jail"),
    "guest": ("node", "memfd:pmi-stub"),
    "spare": ("spare", nodes.SPARE),
    "empty": ("spare", "pmi-jail"),
    "pmid": ("node", "pmid"),
    "worker": ("home", "pmi-worker"),
    "supervisor": ("home", "pmi-supervisor"),
}
COUNT = 250


def victims(job, node, where, comm):
    if where == "home":
        return [p.pid for p in job.processes() if p.comm == comm]
    if comm == "pmid":
        return [node.pid]
    if where == "spare":
        below = [p for spare in node.spares() for p in [spare, *system.descendants(spare.pid)]]
        return [p.pid for p in below if p.comm == comm]
    return [p.pid for p in node.processes() if p.comm == comm]


def kill_one(job, node, victim, chance, seconds):
    """Waits a random time, then kills one of the victims, as soon as there is one."""
    time.sleep(chance.uniform(0.1, 0.8))
    end = time.monotonic() + seconds
    while time.monotonic() < end and job.is_running():
        found = victims(job, node, *VICTIMS[victim])
        if found:
            time.sleep(chance.uniform(0, 0.03))
            try:
                os.kill(chance.choice(found), signal.SIGKILL)
                return True
            except ProcessLookupError:
                continue
        time.sleep(0.001)
    return False


def check(job, status):
    """What is wrong with how the program ended; None if nothing is."""
    lines = job.output().splitlines()
    expected = [str(n) for n in range(1, len(lines) + 1)]
    if lines != expected:
        first = next(i for i, line in enumerate(lines) if line != expected[i])
        return f"line {first + 1} is {lines[first]!r}"
    if status == 0:
        return None if len(lines) == COUNT else f"ended well after line {len(lines)}"
    if status != -signal.SIGKILL:
        return f"ended with status {status}: {job.errors().strip()[-300:]}"
    # The supervisor says it as soon as it has seen it, which is a little after the parent has.
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if re.search(r"^pmi: process \d+", job.errors(), re.M):
            return None
        time.sleep(0.01)
    return f"killed without a word: {job.errors().strip()[-300:]!r}"


def one_round(run, program, victim, number, seed, mode):
    chance = random.Random(seed)
    directory = os.path.join(run.directory, f"{victim}-{seed}")
    os.mkdir(directory, 0o755)
    with nodes.Node(run, number) as node:
        job = Job(run, directory, [node], [program, str(COUNT), "24"], timeout=15)
        job.mode = mode
        mover = RandomMover(job, [node], seed, pause=(0.0, 0.05), alternate=True)
        mover.start()
        try:
            killed = kill_one(job, node, victim, chance, 5)
            # A node that vanishes with its network is waited for: reconnect_seconds, 60 by default.
            status = job.wait(100)
            wrong = check(job, status)
        except Hang as e:
            killed, status, wrong = True, None, f"{e}\n{job.state_of_hang()}"
        mover.stopped.set()
        mover.join(20)
        if wrong is None and (left := job.leftovers()):
            # A killed supervisor can't take its socket away; the next one does.
            left = [line for line in left if victim != "supervisor" or "control socket" not in line]
            wrong = "\n".join(left) or None
        if wrong is not None:
            wrong += f"\n{job.logs(25)}"
        job.end()
        return killed, status, mover.done, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--match", default="")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--mode", help="of the moves; with precopy most instants are in the rounds")
    parser.add_argument("--nodes", default="auto", choices=("auto", "namespace", "plain"))
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(time.time()) % 100000
    system.become_subreaper()
    system.inherit_default_signals()
    bad = number = 0
    with nodes.Run(options.build, options.nodes) as run:
        program = run.compile("checked_counter", "-pthread")
        for victim in (v for v in VICTIMS if options.match in v):
            for n in range(options.repeat):
                number += 1
                killed, status, moves, wrong = one_round(run, program, victim, number, seed + n, options.mode)
                word = "ok  " if wrong is None else "FAIL"
                print(f"{word} {victim:10} seed {seed + n} killed {killed} status {status} moves {moves} {wrong or ''}", flush=True)
                bad += wrong is not None
    print(f"{bad} bad")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Many programs that are sent to one node at the same moment, home and out again: none is refused, and none notices.

  crowd.py --build BUILD [--programs 24]
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import nodes
import system
from driver import CommandError, Hang, Job


def start(run, node, number):
    """cat: what it is told it says, and nothing else."""
    directory = os.path.join(run.directory, f"crowd-{number}")
    os.mkdir(directory)
    job = Job(run, directory, [node], ["cat"], timeout=60, stdin=subprocess.PIPE, log_level="info")
    job.wait_for_start()
    return job


def all_at_once(jobs, what):
    """What went wrong."""
    def one(job):
        try:
            what(job)
        except (CommandError, Hang) as error:
            return str(error)
        return None
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [error for error in pool.map(one, jobs) if error]


def tell(jobs, word):
    for job in jobs:
        job.process.stdin.write(word)
        job.process.stdin.flush()


def move_all(jobs, node):
    """What was wrong."""
    for round_ in range(2):
        tell(jobs, b"%d\n" % round_)
        yield from all_at_once(jobs, lambda job: job.migrate(job.pid, node))
        tell(jobs, b"away\n")
        yield from all_at_once(jobs, lambda job: job.home(job.pid))
    for job in jobs:
        job.process.stdin.close()
    for number, job in enumerate(jobs):
        status = job.wait(60)
        if status != 0 or job.output().split() != ["0", "away", "1", "away"] or job.moves != 4:
            yield f"program {number}: ended with {status} after {job.moves} moves: {job.output()!r} {job.errors()!r}"
    yield from jobs[-1].leftovers()
    jobs[-1].end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--programs", type=int, default=24)
    options = parser.parse_args()
    system.become_subreaper()
    system.inherit_default_signals()
    with nodes.Run(options.build) as run, nodes.Node(run, 1, log_level="info") as node:
        said = list(move_all([start(run, node, number) for number in range(options.programs)], node))
    print("\n".join(said) or f"ok    {options.programs} programs")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()

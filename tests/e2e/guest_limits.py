#!/usr/bin/env python3
"""What a node lets a guest take (pmid --guest-memory-max and the others): a program that keeps within it goes on, one that
doesn't is killed with a reason on its stderr, its neighbour is left alone, and no group is left behind.

  guest_limits.py --build BUILD
"""

import argparse
import json
import os
import subprocess
import sys

import nodes
import system
from driver import Job

LIMIT = 96  # MiB
REASON = "it needed more memory than a program may use on node"


def groups():
    """The cgroups that pmids have made."""
    found = subprocess.run(["find", "/sys/fs/cgroup", "-type", "d", "-name", "pmid-*"], capture_output=True, text=True)
    return set(found.stdout.split())


def start(run, node, program, name, *arguments):
    directory = os.path.join(run.directory, name)
    os.makedirs(os.path.join(directory, ".config", "pmi"), 0o755)
    with open(os.path.join(directory, ".config", "pmi", "pmi.toml"), "w") as f:
        f.write(f"[nodes.limited]\naddress = \"{node.address}\"\n")
    job = Job(run, directory, [node], [program, *arguments, os.path.join(directory, "go")], timeout=30)
    job.wait_for_start()
    return job


def go(job):
    open(os.path.join(job.directory, "go"), "w").close()


def why_not_held(job):
    """Why the node can't hold guests to limits; empty if it can."""
    rows = json.loads(job.pmictl("nodes", "--json", control=False))
    return next(row for row in rows if row["name"] == "limited")["guest_limits"]["error"]


def memory(run, program):
    """One takes less than it may, its neighbour more."""
    limits = ("--guest-memory-max", f"{LIMIT}M", "--guest-cpu-max", "1.5", "--guest-cpu-weight", "50")
    with nodes.Node(run, 1, pmid_options=limits) as node:
        modest = start(run, node, program, "modest", "eat", str(LIMIT // 4))
        greedy = start(run, node, program, "greedy", "eat", str(LIMIT * 3))
        if why := why_not_held(modest):
            yield f"skip  {why}"
        for job in (modest, greedy):
            job.migrate(job.pid, node)
        go(greedy)
        status = greedy.wait(30)
        if not why and (status != -9 or REASON not in greedy.errors()):
            yield f"greedy: ended with {status}, and said {greedy.errors()!r}"
        go(modest)
        yield from ended_well(modest, ["waiting", "fed"])
        for job in (modest, greedy):
            yield from job.leftovers()
            job.end()


def tasks(run, program):
    """More children than the node allows: they are made at home."""
    with nodes.Node(run, 2, pmid_options=("--guest-pids-max", "8")) as node:
        job = start(run, node, program, "parent", "fork", "30")
        job.migrate(job.pid, node)
        go(job)
        yield from ended_well(job, ["waiting", "forked"])
        yield from job.leftovers()
        job.end()


def ended_well(job, words):
    status = job.wait(60)
    if status != 0 or job.output().split() != words:
        yield f"{os.path.basename(job.directory)}: ended with {status}: {job.output()!r} {job.errors()!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    system.become_subreaper()
    system.inherit_default_signals()
    before, said = groups(), []
    with nodes.Run(options.build) as run:
        program = run.compile("hungry")
        for case in (memory, tasks):
            said += case(run, program)
    if left := groups() - before:
        said.append(f"cgroups are left: {sorted(left)}")
    print("\n".join(said) or "ok    guest_limits")
    sys.exit(1 if [line for line in said if not line.startswith("skip")] else 0)


if __name__ == "__main__":
    main()

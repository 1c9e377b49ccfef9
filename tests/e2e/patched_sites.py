#!/usr/bin/env python3
"""System call sites that are patched while a program is away: they are counted, and gone when it is home again; not patched by a
pmid that was told so.

  patched_sites.py --build BUILD
"""

import argparse
import os
import subprocess
import sys
import time

import nodes
import system
from driver import CommandError, Job


def start(run, node, program, name, threads):
    directory = os.path.join(run.directory, name)
    os.mkdir(directory, 0o755)
    job = Job(run, directory, [node], [program, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, timeout=30)
    job.wait_for_start()
    return job


def ask(job):
    job.process.stdin.write(b"\n")
    job.process.stdin.flush()
    return job.process.stdout.readline().decode().strip()


def sites(job, expected):
    """What ps says of them, when it says what is expected or after a while: it is told some time later."""
    end = time.monotonic() + 10
    while True:
        row = job.row(job.pid)
        got = row["sites_patched"], row["sites_refused"]
        if got == expected or time.monotonic() > end:
            return got
        time.sleep(0.02)


def code(job, address):
    with open(f"/proc/{job.pid}/mem", "rb") as memory:
        memory.seek(address)
        return memory.read(16)


def room_above_libraries(job):
    """Where the agent has to be for its code to be within reach: now and then the kernel puts the stack too near."""
    with open(f"/proc/{job.pid}/maps") as maps:
        lines = [line.split() for line in maps]
    end = max(int(line[0].split("-")[1], 16) for line in lines if line[-1].endswith(("/ld-linux-x86-64.so.2", ".so.6")))
    stack = next(int(line[0].split("-")[0], 16) for line in lines if line[-1] == "[stack]")
    return min(stack, 0x7ffb << 32) - end


def counted(run, program, node, name, threads, expected):
    job = start(run, node, program, name, threads)
    while room_above_libraries(job) < 18 << 30:
        job.process.stdin.close()
        job.wait(30)
        job.end()
        name += "-again"
        job = start(run, node, program, name, threads)
    address = int(job.process.stdout.readline(), 16)
    uid, before = ask(job), code(job, address)
    for trip, mode in enumerate(("auto", "stop", "precopy", "auto")):
        try:
            job.migrate(job.pid, node, mode)
        except CommandError as error:
            if mode != "precopy":
                raise
            print(f"skip  {mode}: {error.reason}")
            continue
        for _ in range(3):
            if (said := ask(job)) != uid:
                yield f"{name}: trip {trip}: it is {said} there, and was {uid}"
        if (got := sites(job, expected)) != expected:
            yield f"{name}: trip {trip}: {got} sites are patched and refused, not {expected}"
        job.home(job.pid)
        if code(job, address) != before:
            yield f"{name}: trip {trip}: its code is {code(job, address).hex()} when it is home, and was {before.hex()}"
        if (got := sites(job, (0, 0))) != (0, 0):
            yield f"{name}: trip {trip}: {got} sites when it is home"
        if (said := ask(job)) != uid:
            yield f"{name}: trip {trip}: it is {said} at home, and was {uid}"
    job.process.stdin.close()
    if status := job.wait(30):
        yield f"{name}: ended with {status}: {job.errors()!r}"
    yield from job.leftovers()
    job.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    system.become_subreaper()
    system.inherit_default_signals()
    said = []
    with nodes.Run(options.build) as run:
        program = run.compile("asks_who")
        with nodes.Node(run, 1) as node:
            for threads in (0, 3):
                # Threads that were there before may be somebody else: of them nothing is known until they ask.
                said += counted(run, program, node, f"threads-{threads}", threads, (1, 0))
        with nodes.Node(run, 2, pmid_options=["--no-patching"]) as node:
            said += counted(run, program, node, "off", 0, (0, 0))
    print("\n".join(said) or "ok    patched_sites")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()

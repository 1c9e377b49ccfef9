#!/usr/bin/env python3
"""Never two, never none, where one part is lost or late at a chosen moment: what becomes of the program, and of those of its
family that have nothing to do with it.

  lost_parts.py --build BUILD [--match CASE]
"""

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import time

import nodes
import system
from driver import CommandError, Hang, Job

WAIT = 30
FLOOD = """import os, sys
os.kill(int(sys.argv[1]), 39)
os.write(1, b"x")
while True:
    os.kill(int(sys.argv[1]), 39)
"""


class Wrong(Exception):
    pass


def wait_for(what, probe, seconds=WAIT):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.005)
    raise Wrong(f"not seen in {seconds} s: {what}")


NUMBERS = iter(range(1, 1000))


def new_node(run):
    return nodes.Node(run, next(NUMBERS))


class Family:
    """tests/e2e/guests/family.c under pmirun."""

    def __init__(self, run, program, name, there, **options):
        self.directory = os.path.join(run.directory, name)
        os.mkdir(self.directory, 0o777)
        self.run, self.fork, self.threads = run, os.path.join(self.directory, "fork"), os.path.join(self.directory, "threads")
        self.job = Job(run, self.directory, there, [program, self.fork, self.threads], timeout=60, **options)
        self.job.wait_for_start()

    def make_child(self):
        """The PID of a child, which is where its parent is."""
        open(self.fork, "w").close()
        return wait_for("a child", lambda: [r["pid"] for r in self.job.ps() if r["pid"] != self.job.pid])[0]

    def lines(self, who="parent"):
        return [line.split() for line in self.job.output().splitlines() if line.startswith(who + " ")]

    def goes_on(self, who="parent"):
        before = len(self.lines(who))
        wait_for(f"more lines of the {who}", lambda: len(self.lines(who)) > before + 5)
        numbers = [int(line[1]) for line in self.lines(who)[:-1]]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise Wrong(f"the lines of the {who} have gaps, or come twice")

    def dies_with_reason(self):
        status = self.job.wait(WAIT)
        if status != -signal.SIGKILL:
            raise Wrong(f"ended with {status}")
        wait_for("a reason on its standard error", lambda: re.search(rf"^pmi: process {self.job.pid}: ", self.job.errors(), re.M))

    def begin_move(self, node):
        """In a process of its own."""
        command = [self.run.tool("pmictl"), "--control", self.job.control, "--keys", self.run.keys, "migrate", str(self.job.pid),
                   node.address, "--mode", "stop"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for row in self.job.processes():
            if row.comm == "family":
                kill(row.pid, signal.SIGKILL)
        kill(self.job.pid, signal.SIGKILL)
        self.job.end()


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def sessions(node):
    return [p.pid for p in node.processes() if p.comm == "pmid-session"]


def guests(node):
    return [p.pid for p in node.processes() if p.comm.startswith("memfd:pmi-stub")]


def member_elsewhere(run, program, name):
    """A node dies: of a family only who was there."""
    with new_node(run) as a, new_node(run) as b, Family(run, program, name, [a, b]) as family:
        family.job.migrate(family.job.pid, a)
        child = family.make_child()
        family.job.migrate(child, b)
        for pid in sessions(a):
            kill(pid, signal.SIGKILL)
        family.dies_with_reason()
        family.goes_on("child")
        kill(child, signal.SIGKILL)


def full_stderr(run, program, name):
    """Its standard error is a pipe that takes nothing: it dies all the same."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    try:
        while True:
            os.write(writes, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writes, True)
    with new_node(run) as node, Family(run, program, name, [node], stderr=writes) as family:
        family.job.migrate(family.job.pid, node)
        for pid in sessions(node):
            kill(pid, signal.SIGKILL)
        status = family.job.wait(WAIT)
        if status != -signal.SIGKILL:
            raise Wrong(f"ended with {status}")
    os.close(reads), os.close(writes)


def hop_loses_both(run, program, name):
    """On its way from node to node one is lost, and the other says nothing."""
    with new_node(run) as a, new_node(run) as b, Family(run, program, name, [a, b]) as family:
        family.job.migrate(family.job.pid, a, "stop")
        # While signals are on their way home does not say Go.
        flood = subprocess.Popen([sys.executable, "-c", FLOOD, str(family.job.pid)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        flood.stdout.read(1)
        mover = family.begin_move(b)
        wait_for("Ready", lambda: "is here, ready" in b.log_since(0, 400))
        new = sessions(b)
        for pid in new:
            kill(pid, signal.SIGSTOP)
        flood.kill(), flood.wait()
        for process in a.processes():
            kill(process.pid, signal.SIGKILL)
        family.dies_with_reason()
        for pid in new:
            kill(pid, signal.SIGCONT)
        mover.communicate(timeout=WAIT)


def killed_in_hop(run, program, name):
    """It is killed on its way from node to node: its child, whose worker is the same, hears nothing of it."""
    with new_node(run) as a, new_node(run) as b, Family(run, program, name, [a, b]) as family:
        family.job.migrate(family.job.pid, a, "stop")
        child = family.make_child()
        mover = family.begin_move(b)
        new = wait_for("a session", lambda: sessions(b))
        wait_for("a guest", lambda: guests(b))
        kill(new[0], signal.SIGSTOP)
        kill(family.job.pid, signal.SIGKILL)
        family.job.wait(WAIT)
        kill(new[0], signal.SIGCONT)
        mover.communicate(timeout=WAIT)
        family.goes_on("child")
        kill(child, signal.SIGKILL)


def failed_capture(run, program, name):
    """The node can't tell what it is: it goes on there, and its signals reach it."""
    with new_node(run) as node, Family(run, program, name, [node]) as family:
        family.job.migrate(family.job.pid, node)
        session = sessions(node)[0]
        have = set(map(int, os.listdir(f"/proc/{session}/fd")))
        full = next(n for n in range(1024) if n not in have)
        before = resource.prlimit(session, resource.RLIMIT_NOFILE, (full, resource.prlimit(session, resource.RLIMIT_NOFILE)[1]))
        try:
            family.job.home(family.job.pid)
            raise Wrong("it came home without descriptors")
        except CommandError:
            pass
        resource.prlimit(session, resource.RLIMIT_NOFILE, before)
        os.kill(family.job.pid, signal.SIGUSR1)
        wait_for("its signal", lambda: family.lines() and family.lines()[-1][2] == "1")
        family.goes_on()
        family.job.home(family.job.pid)
        family.goes_on()


def many_tasks(run, program, name):
    """More of them than can be away."""
    with new_node(run) as node, Family(run, program, name, [node]) as family:
        family.job.migrate(family.job.pid, node)
        open(family.threads, "w").close()
        wait_for("its threads", lambda: "many" in family.job.output(), 60)
        family.goes_on()


CASES = [member_elsewhere, full_stderr, hop_loses_both, killed_in_hop, failed_capture, many_tasks]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--match", default="")
    options = parser.parse_args()
    system.become_subreaper()
    system.inherit_default_signals()
    bad = 0
    with nodes.Run(options.build, "plain") as run:
        program = run.compile("family", "-pthread")
        for case in CASES:
            if options.match not in case.__name__:
                continue
            began = time.monotonic()
            try:
                case(run, program, case.__name__)
                print(f"ok   {case.__name__} {time.monotonic() - began:.1f} s", flush=True)
            except (Wrong, Hang, CommandError, nodes.NodeError, subprocess.TimeoutExpired) as e:
                print(f"FAIL {case.__name__}: {e}", flush=True)
                bad += 1
    print(f"{bad} bad")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()

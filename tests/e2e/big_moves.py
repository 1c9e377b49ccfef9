#!/usr/bin/env python3
"""Moves that take a while. One that is given up: the program goes on where it was, as if nothing had been, and both machines
are clean again. What a person sees of it on a terminal. How much memory it takes, which is never as much as the program's.

  big_moves.py --build BUILD [--match CASE] [--size MIB]
"""

import argparse
import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import nodes
import system
from driver import HOME, CommandError, Hang, Job

CANCELLED = "the move was cancelled"


class Move:
    """pmictl migrate or home, running. With `tty`, its stderr is a terminal."""

    def __init__(self, job, *words, tty=False):
        self.job, self.words = job, words
        command = [job.run.tool("pmictl"), "--control", job.control, "--keys", job.run.keys, *map(str, words)]
        self.terminal, stderr = None, subprocess.PIPE
        if tty:
            self.terminal, stderr = pty.openpty()
            fcntl.ioctl(stderr, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=job.environment)
        if tty:
            os.close(stderr)

    def is_running(self):
        return self.process.poll() is None

    def conclude(self, within):
        """Status, stdout, stderr."""
        end, seen = time.monotonic() + within, b""
        while self.terminal is not None and time.monotonic() < end:
            if not select.select([self.terminal], [], [], 0.2)[0]:
                continue
            try:
                seen += os.read(self.terminal, 65536)
            except OSError:  # its other end is closed
                break
        try:
            out, err = self.process.communicate(timeout=max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Hang(f"pmictl {' '.join(map(str, self.words))} takes more than {within} s") from None
        if self.terminal is not None:
            os.close(self.terminal)
        return self.process.returncode, out, seen.decode() if self.terminal is not None else err


class Tester:
    def __init__(self, run, program, number, size, rate=2000):
        self.directory = os.path.join(run.directory, f"big-{number}")
        os.mkdir(self.directory, 0o755)
        self.node = nodes.Node(run, number)
        self.run, self.program, self.size, self.rate = run, program, size, rate

    def __enter__(self):
        self.node.__enter__()
        self.start(self.size)
        return self

    def start(self, size, rate=None):
        directory = os.path.join(self.directory, f"{size}-{rate}")
        os.mkdir(directory, 0o755)
        self.job = Job(self.run, directory, [self.node], [self.program, str(size), str(self.rate if rate is None else rate)], timeout=60)
        self.job.wait_for_start()
        end = time.monotonic() + 30
        while not self.job.output():  # its memory is filled
            if time.monotonic() > end:
                raise Hang("the program does not begin")
            time.sleep(0.02)

    def __exit__(self, *unused):
        self.job.end()
        self.node.__exit__(*unused)

    # ---- what must be as before

    def state(self):
        """Of the program at home."""
        with open(f"/proc/{self.job.pid}/maps") as f:
            maps = [line.split()[:2] for line in f]
        fds = sorted(os.listdir(f"/proc/{self.job.pid}/fd"))
        with open(f"/proc/{self.job.pid}/status") as f:
            tracer = next(line.split()[1] for line in f if line.startswith("TracerPid:"))
        # The preload library's helper is a tracer of steering signals where there is one.
        return {"mappings": maps, "descriptors": fds, "traced": tracer != "0"}

    def wait_until(self, what, condition, within=10):
        end = time.monotonic() + within
        while not condition():
            if time.monotonic() > end:
                raise Hang(f"{what} not after {within} s\n{self.job.state_of_hang()}")
            time.sleep(0.02)

    def wait_clean(self, before, within=10):
        """Nothing of the move is left on either side."""
        def left():
            lines = [f"at home: {p}" for p in self.job.processes() if p.comm == "pmi-worker"]
            lines += [f"on the node: {p}" for p in self.node.processes() if p.pid != self.node.pid]
            now = self.state()
            lines += [f"{key}: {now[key]} instead of {value}" for key, value in before.items() if now[key] != value]
            return lines
        self.wait_until_none(left, within)

    @staticmethod
    def wait_until_none(left, within):
        end = time.monotonic() + within
        while lines := left():
            if time.monotonic() > end:
                raise Hang("left: " + "; ".join(lines))
            time.sleep(0.05)

    def must_go_on(self):
        lines = len(self.job.output().splitlines())
        self.wait_until("goes on", lambda: len(self.job.output().splitlines()) > lines + 2, 5)

    def expect_cancelled(self, move, within=10):
        status, out, err = move.conclude(within)
        if status == 0 or out or not re.fullmatch(rf"pmictl: (migrate|home) \d+: {CANCELLED}\n", err):
            raise CommandError(["pmictl", *map(str, move.words)], status, f"stdout {out!r}, stderr {err!r}")

    def begin(self, *words):
        """A move that has got so far that there is something to be cancelled."""
        move = Move(self.job, *words)
        def has_begun():
            return not move.is_running() or json.loads(self.ask_progress()).get("progress")
        self.wait_until("a move's progress", has_begun)
        if not move.is_running():
            raise Hang(f"too fast to be cancelled: {move.conclude(1)}")
        return move

    def ask_progress(self):
        import socket
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.job.control)
            s.sendall(json.dumps({"op": "progress", "pid": self.job.pid}).encode() + b"\n")
            return s.makefile().readline()

    def conclude(self):
        """The program finds its memory in order."""
        os.kill(self.job.pid, signal.SIGTERM)
        status = self.job.wait(60)
        if status != 7 or not self.job.output().endswith("\nok\n"):
            return f"ended with {status}: {self.job.output()[-100:]!r} {self.job.errors()[-300:]}"
        left = self.job.leftovers(12)
        return "\n".join(left) if left else None


def cancel_out(t, mode, chance):
    before = t.state()
    for n in range(3):
        move = t.begin("migrate", t.job.pid, t.node.address, "--mode", mode)
        time.sleep(chance.uniform(0, 0.08) * n)
        if n == 1:
            move.process.send_signal(signal.SIGINT)
        else:
            t.job.pmictl("cancel", t.job.pid)
        t.expect_cancelled(move)
        if t.job.where(t.job.pid) != HOME:
            return "it is not at home"
        t.must_go_on()
        t.wait_clean(before)
    t.job.migrate(t.job.pid, t.node, mode=mode)
    t.must_go_on()
    return t.conclude()


def case_precopy(t, chance):
    return cancel_out(t, "precopy", chance)


def case_stop(t, chance):
    return cancel_out(t, "stop", chance)


def case_home(t, chance):
    """All of its memory is new when it comes home."""
    t.job.migrate(t.job.pid, t.node, mode="stop")
    for n in range(2):
        time.sleep(1)
        move = Move(t.job, "home", t.job.pid)
        time.sleep(chance.uniform(0, 0.02) * (n + 1))
        cancelled = Move(t.job, "cancel", t.job.pid).conclude(10)
        status, _, err = move.conclude(20)
        if status != 0 and CANCELLED not in err:
            return f"home: {err}"
        where = t.job.where(t.job.pid)
        if (where == HOME) != (status == 0):
            return f"home said {status}, it is at {where}, cancel said {cancelled}"
        t.must_go_on()
        if where == HOME:
            t.job.migrate(t.job.pid, t.node, mode="stop")
    t.job.home(t.job.pid)
    t.must_go_on()
    return t.conclude()


def case_cut_link(t, chance):
    """With a link that carries nothing a move can be cancelled too, in rounds and while the program stands still."""
    before = t.state()
    for mode in "precopy", "stop":
        move = t.begin("migrate", t.job.pid, t.node.address, "--mode", mode)
        t.node.set_link(False)
        try:
            time.sleep(0.5)
            began = time.monotonic()
            t.job.pmictl("cancel", t.job.pid)
            t.expect_cancelled(move, 6)
            if (took := time.monotonic() - began) > 3:
                return f"{mode}: cancelled only after {took:.1f} s"
            t.must_go_on()
        finally:
            t.node.set_link(True)
        t.wait_clean(before, 25)  # the node hears of it by its own time-out
    t.job.migrate(t.job.pid, t.node)
    t.must_go_on()
    return t.conclude()


def case_nothing_to_cancel(t, chance):
    for words in ("cancel",), :
        status, out, err = Move(t.job, *words, t.job.pid).conclude(10)
        if status == 0 or out or err != f"pmictl: cancel {t.job.pid}: no move under way\n":
            return f"{status} {out!r} {err!r}"
    return t.conclude()


def case_terminal(t, chance):
    """A bar while it moves, a line more behind it, and stdout as always."""
    status, out, seen = Move(t.job, "migrate", t.job.pid, t.node.address, "--mode", "precopy", tty=True).conclude(30)
    if status != 0 or not re.fullmatch(rf"{t.job.pid} runs on \S+: frozen \S+ ms, \S+ [KMG]iB sent, \S+ m?s in all\n", out):
        return f"{status} {out!r} {seen!r}"
    frames = [f.replace("\033[K", "") for f in seen.split("\r") if " -> " in f]
    if not frames or any(len(f) > 159 for f in frames):
        return f"no bar: {seen!r}"
    if not any(re.search(r"round \d+  \[#*-*\] +\d+%  \S+ [KMG]iB, \S+ \w+ left  \S+ \w+/s", f) for f in frames):
        return f"not such a bar: {frames}"
    if not re.search(r"\033\[Klongest stall \S+ ms, \d+ rounds", seen):
        return f"no line about it: {seen!r}"
    status, out, seen = Move(t.job, "home", t.job.pid, "--json").conclude(30)
    answer = json.loads(out)
    if status != 0 or seen or not answer["stall_us"] >= answer["frozen_us"] > 0:
        return f"{status} {out!r} {seen!r}"
    return t.conclude()


def case_again(t, chance):
    """The node has kept its pages: they do not travel again, and what was written since does."""
    if wrong := t.conclude():
        return wrong
    for mode in "stop", "precopy":
        t.start(t.size, rate=50 if mode == "stop" else 51)
        first = t.job.migrate(t.job.pid, t.node, mode=mode)
        t.job.home(t.job.pid)
        t.wait_until("the node's session ends", lambda: all(p.pid == t.node.pid for p in t.node.processes()), 30)
        again = t.job.migrate(t.job.pid, t.node, mode=mode)
        t.must_go_on()
        print(f"     {mode}: {first['bytes'] >> 10} KiB in {first['total_us'] / 1000:.0f} ms, then {again['bytes'] >> 10} KiB and {again['found_pages']} pages"
              f" found in {again['total_us'] / 1000:.0f} ms")
        # The second program begins with the first one's memory: what it has may be found at its first move already.
        if again["bytes"] * 50 > t.size << 20:
            return f"{again} after {first}"
        if wrong := t.conclude():
            return wrong
    return None


def peak_of(t, comm):
    """MiB that a process of ours had at most."""
    places = t.job.processes() if comm == "pmi-worker" else t.node.processes()
    pid = next(p.pid for p in places if p.comm == comm)
    with open(f"/proc/{pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith("VmHWM:"))) / 1024


def case_bounded(t, chance):
    """The worker and the node's session need the same few buffers for a small and for a big program, out and home."""
    peaks = {}
    for size, mode in (t.size, "precopy"), (4, "stop"):
        if size != t.size:
            t.start(size)
        # At a second trip the session's figure would have the pages in it that pmid keeps (--keep-pages), which it shares.
        t.job.migrate(t.job.pid, t.node, mode=mode)
        peaks[size] = [peak_of(t, "pmi-worker"), peak_of(t, "pmid-session")]
        t.job.home(t.job.pid)
        if wrong := t.conclude():
            return wrong
    grown = [big - small for big, small in zip(peaks[t.size], peaks[4])]
    print(f"     worker {peaks[t.size][0]:.0f} MiB, {grown[0]:.0f} more than for 4 MiB; session {peaks[t.size][1]:.0f}, {grown[1]:.0f} more")
    return None if max(grown) <= 64 else f"{grown} MiB more for {t.size} MiB than for 4"


# ---- memory that follows

SLOW = 600  # megabits a second: long enough under way, and the program can still be checked


def follow(t, node=None, slow=SLOW):
    """The program runs on the node, and its memory is on the way."""
    node = node or t.node
    if slow:
        node.slow_link(slow)
    answer = t.job.migrate(t.job.pid, node, mode="postcopy")
    if answer["mode"] != "postcopy" or answer["later_pages"] * 4096 < t.size << 20:
        raise CommandError(["migrate"], 0, f"{answer}")
    if pages_of(t) is None:
        raise Hang("no page counts: all of it is there already")
    return answer


def pages_of(t):
    """While its memory follows."""
    return t.job.row(t.job.pid).get("post_copy")


def stays_whole(t):
    t.must_go_on()
    t.wait_until("all of it is there", lambda: pages_of(t) is None, 60)
    t.must_go_on()


def case_follow(t, chance):
    """Counts in ps; home again for what it has written, and away again."""
    answer = follow(t)
    first = pages_of(t)
    if not first["pages"] == answer["later_pages"] or first["sent"] > first["pages"]:
        return f"{first} after {answer}"
    text = t.job.pmictl("ps")
    if not re.search(r"away, \d+/\d+ pages", text):
        return f"no page counts: {text}"
    stays_whole(t)
    home = t.job.home(t.job.pid)
    if home["bytes"] * 2 > t.size << 20:
        return f"all of it came home: {home}"
    t.must_go_on()
    t.job.migrate(t.job.pid, t.node, mode="postcopy")
    stays_whole(t)
    return t.conclude()


def case_follow_busy(t, chance):
    """It writes to more than the link carries: rounds lead nowhere, and in mode auto all of it follows."""
    if wrong := t.conclude():
        return wrong
    t.start(t.size // 2, rate=60000)
    t.node.slow_link(SLOW)
    answer = t.job.migrate(t.job.pid, t.node, mode="auto", timeout=60)
    print(f"     {answer['rounds']} rounds, {answer['bytes'] >> 20} MiB in {answer['total_us'] / 1e6:.1f} s, then {answer.get('later_pages')} pages;"
          f" frozen {answer['frozen_us'] / 1000:.1f} ms")
    if answer["mode"] != "postcopy" or answer["rounds"] < 2 or answer["later_pages"] * 4096 < t.size // 2 << 20:
        return f"{answer}"
    stays_whole(t)
    return t.conclude()


def case_follow_home(t, chance):
    """It is wanted at home while its memory is still on the way."""
    for n in range(2):
        follow(t)
        time.sleep(chance.uniform(0, 0.3) * n)
        t.job.home(t.job.pid, timeout=60)
        t.must_go_on()
    return t.conclude()


def case_follow_cancelled(t, chance):
    """A return that waits for it can be cancelled."""
    follow(t)
    move = Move(t.job, "home", t.job.pid)
    time.sleep(0.3)
    t.job.pmictl("cancel", t.job.pid)
    t.expect_cancelled(move)
    stays_whole(t)
    return t.conclude()


def case_follow_hop(t, chance):
    with nodes.Node(t.run, 190) as other:
        t.job.nodes.append(other)
        t.job.without.add(other.init)
        follow(t)
        t.job.migrate(t.job.pid, other, mode="postcopy", timeout=90)
        t.must_go_on()
        t.job.home(t.job.pid)
        t.must_go_on()
        return t.conclude()


def case_follow_ends(t, chance):
    """It ends while its memory is on the way: as it would at any time."""
    follow(t)
    return t.conclude()


def expect_killed(t, why):
    # A network that has died with its machine refuses nothing: then home tries for all of its 60 s.
    status = t.job.wait(90)
    if status != -signal.SIGKILL:
        return f"ended with {status}: {t.job.output()[-100:]!r} {t.job.errors()[-300:]}"
    if not re.search(why, t.job.errors()):
        return f"nothing says why: {t.job.errors()[-300:]!r}"
    if "wrong" in t.job.output():
        return f"it saw what it should not: {t.job.output()[-100:]!r}"
    return None


def case_follow_node_dies(t, chance):
    follow(t)
    t.node.kill()
    return expect_killed(t, r"pmi: process \d+: the connection to node .* is lost")


def case_follow_worker_dies(t, chance):
    """Nobody can give the rest any more: neither at home nor on the node does anything go on."""
    follow(t)
    for p in t.job.processes():
        if p.comm == "pmi-worker":
            os.kill(p.pid, signal.SIGKILL)
    status = t.job.wait(30)
    if status != -signal.SIGKILL or "wrong" in t.job.output():
        return f"ended with {status}: {t.job.output()[-100:]!r}"
    t.wait_until("the node's session ends", lambda: all(p.pid == t.node.pid for p in t.node.processes()), 30)
    return None


def case_follow_cut_link(t, chance):
    """Cut for a while, noticed or not: it goes on, and nothing is lost."""
    for seconds in 1, 11:
        follow(t, slow=SLOW if seconds == 1 else SLOW // 2)
        t.node.set_link(False)
        time.sleep(seconds)
        if pages_of(t) is None:
            return "its memory was there before the cut"
        t.node.set_link(True)
        t.wait_until("goes on", lambda: not t.job.row(t.job.pid)["state"].startswith("cut"), 30)
        stays_whole(t)
        t.job.home(t.job.pid, timeout=60)
    return t.conclude()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--match", default="")
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    options = parser.parse_args()
    system.become_subreaper()
    system.inherit_default_signals()
    cases = {name[5:]: value for name, value in globals().items() if name.startswith("case_") and options.match in name}
    if not nodes.can_make_namespaces():
        print("skip  cut_link, follow*: no namespaces: there is no cable to be pulled or slowed down")
        cases = {name: case for name, case in cases.items() if name != "cut_link" and not name.startswith("follow")}
    bad = 0
    with nodes.Run(options.build) as run:
        program = run.compile("big_memory")
        for number, (name, case) in enumerate(cases.items(), 1):
            began = time.monotonic()
            size = min(options.size, 256) if name.startswith("follow") else options.size  # MiB; the link is slow
            with Tester(run, program, number, size) as t:
                try:
                    wrong = case(t, random.Random(options.seed))
                except (Hang, CommandError) as e:
                    wrong = str(e)
                if wrong is not None:
                    wrong += f"\n{t.job.logs(30)}"
            print(f"{'ok  ' if wrong is None else 'FAIL'} {name:18} {time.monotonic() - began:.1f} s {wrong or ''}", flush=True)
            bad += wrong is not None
    print(f"{bad} bad")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()

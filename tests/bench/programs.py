"""Whole programs, of others, from the start of their main to their end: natively, and on a node. Away they should take what they
take natively, and a round trip for each call that goes home."""

import os
import re
import select
import shutil
import statistics
import subprocess
import tempfile
import time

import driver
import system
from away import Link
from measure import BenchError, Row, ratio, take_turns

SUM = 1.25  # of native and calls x round trip
PINGS = 3000
FILES = 10000
FUNCTIONS = 400
NAMES = ["away-cc1", "away-python", "away-find"]


def _big_file(directory):
    """What gcc -O2 -c works on for a second, preprocessed: so cc1 alone does all the work."""
    source, path = os.path.join(directory, "big.c"), os.path.join(directory, "big.i")
    with open(source, "w") as f:
        f.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n")
        for i in range(FUNCTIONS):
            f.write(f"double f{i}(const double* x, int n) {{ double s = {i}; for (int k = 0; k < n; k++)"
                    f" s += x[k] > {i} ? sqrt(x[k] + s) : x[n - 1 - k] * {i + 1}; return s; }}\n")
    subprocess.run(["gcc", "-E", source, "-o", path], check=True)
    return path


def _tree(directory):
    root = os.path.join(directory, "tree")
    for i in range(FILES // 100):
        os.makedirs(os.path.join(root, f"d{i // 10}", f"d{i}"))
        for j in range(100):
            open(os.path.join(root, f"d{i // 10}", f"d{i}", f"f{j}"), "w").close()
    return root


def _commands(directory, names):
    commands = {}
    if "away-cc1" in names and shutil.which("gcc"):
        cc1 = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True, check=True).stdout.strip()
        commands["gcc -O2, its compiler"] = [cc1, "-quiet", "-fpreprocessed", "-O2", _big_file(directory), "-o", os.path.join(directory, "big.s")]
    if "away-python" in names:
        commands["python3, start"] = [shutil.which("python3", path="/usr/bin"), "-c", "pass"]
    if "away-find" in names:
        commands[f"find, {FILES} files"] = ["/usr/bin/find", _tree(directory), "-size", "+1k"]
    return commands


class Gate:
    """Where a program waits for its start (start_gate.c)."""

    def __init__(self, directory, programs, command):
        paths = [os.path.join(directory, name) for name in ("gate", "open")]
        for path in paths:
            os.mkfifo(path)
        self.says, self.opens = (os.open(path, os.O_RDWR) for path in paths)
        self.environment = {"LD_PRELOAD": os.path.join(programs, "start_gate.so"), "START_GATE_OF": os.path.basename(command[0]),
                            "START_GATE": paths[0], "START_GATE_OPEN": paths[1]}

    def wait(self):
        if not select.select([self.says], [], [], 30)[0]:
            raise BenchError(f"{self.environment['START_GATE_OF']} has not come to its start")
        os.read(self.says, 1)

    def timed(self, process):
        """Milliseconds to its end. (Popen.wait with a timeout looks at growing intervals, of up to 50 ms.)"""
        end = os.pidfd_open(process.pid)
        began = time.monotonic()
        os.write(self.opens, b"g")
        has_ended = select.select([end], [], [], 120)[0]
        ms = (time.monotonic() - began) * 1000
        os.close(end)
        if not has_ended or process.wait() != 0:
            raise BenchError(f"{self.environment['START_GATE_OF']} ended with {process.returncode}")
        return ms

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.says), os.close(self.opens)


class Bench:
    def __init__(self, run, node, programs):
        self.run, self.node, self.programs = run, node, programs

    def native(self, command):
        with self._directory() as directory, Gate(directory, self.programs, command) as gate:
            process = subprocess.Popen(command, env={**os.environ, **gate.environment}, stdout=subprocess.DEVNULL)
            gate.wait()
            return gate.timed(process)

    def away(self, command):
        """Milliseconds, and how many of its calls went home."""
        with self._directory() as directory, Gate(directory, self.programs, command) as gate:
            job = driver.Job(self.run, directory, [self.node], command, env=gate.environment, log_level="warn", timeout=60,
                             options=["--summary"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                gate.wait()
                job.migrate(job.pid, self.node)
                ms = gate.timed(job.process)
                return ms, _calls_home(job.process.stderr.read().decode())  # to its end: the supervisor's
            except BaseException:
                job.end()
                raise
            finally:
                job.process.stderr.close()
                system.reap()

    def _directory(self):
        return tempfile.TemporaryDirectory(prefix="program-", dir=self.run.directory)


def _calls_home(summary):
    found = re.search(r"^(\d+) calls went home", summary, re.M)
    if not found:
        raise BenchError(f"no calls in the summary: {summary[-300:]!r}")
    return int(found[1])


def programs(run, node, programs_directory, repeat, names):
    bench, rows = Bench(run, node, programs_directory), []
    with Link(run, node, programs_directory) as link, tempfile.TemporaryDirectory(dir=run.directory) as directory:
        for title, command in _commands(directory, names).items():
            got = take_turns({"native": lambda c=command: bench.native(c), "away": lambda c=command: bench.away(c),
                              "trip": lambda: float(link.ping("node", PINGS).split()[0]) / 1e6}, repeat)
            ms, calls = [a[0] for a in got["away"]], statistics.median(a[1] for a in got["away"])
            sums = [n + calls * t for n, t in zip(got["native"], got["trip"])]
            native, trip = statistics.median(got["native"]), statistics.median(got["trip"])
            rows.append(Row(f"{title}, away / native + trips", "ms", statistics.median(sums), statistics.median(ms), ratio(ms, sums),
                            at_most=SUM, note=f"native {native:.1f} ms, {calls:.0f} calls home, trip {trip * 1000:.0f} us",
                            more={"values": got}))
    return rows

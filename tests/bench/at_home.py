"""Programs that stay at home, under pmirun: they should not notice it. Each is compared with itself without pmirun."""

import os
import shutil
import statistics
import subprocess
import time

import system
from measure import SHORT, BenchError, Row, compare, noise_of, take_turns

LIMIT = 1.02
LAUNCH_LIMIT_MS = 5
LAUNCHES = 3  # a side and repetition
FUNCTIONS = 400  # of the file that is compiled

LOOPS = {  # bench: (what it is called, arguments of tests/bench/loops)
    "getpid": ("getpid", ["getpid"]),
    "open": ("open, close", ["open_close"]),
    "pipe": ("pipe, there and back", ["pipe"]),
    "fork": ("fork, exec, wait (dynamic)", ["fork_exec", "nothing"]),
    "fork-static": ("fork, exec, wait (static)", ["fork_exec", "nothing-static"]),
    "malloc": ("malloc, free", ["malloc_free"]),
}
NAMES = [*LOOPS, "compile", "launch"]


class AtHome:
    def __init__(self, run, programs, repeat):
        self.run, self.programs, self.repeat = run, programs, repeat
        self.directory = os.path.join(run.directory, "home")
        os.mkdir(self.directory, 0o700)
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": self.directory, "TMPDIR": self.directory, "PMI_KEYS": run.keys}
        self.environment.pop("LD_PRELOAD", None)

    def sides(self, measure, command):
        """`measure` of the command without pmirun, with it, with it but without the preload library, and without again."""
        pmirun = [self.run.tool("pmirun")]
        ways = {"native": [], "pmirun": pmirun, "no-preload": [*pmirun, "--no-preload"], "again": []}
        return {name: lambda way=way: measure([*way, *command]) for name, way in ways.items()}

    def _wait_for_all(self):
        """Supervisors that pmirun leaves behind end soon after their program: then they disturb nothing."""
        end = time.monotonic() + 10
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.0005)
            except ChildProcessError:
                return
            if time.monotonic() > end:
                raise BenchError(f"still there: {', '.join(map(str, system.descendants(os.getpid())))}")

    def _output(self, command):
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=120)
        self._wait_for_all()
        if done.returncode != 0:
            raise BenchError(f"{' '.join(command)}: status {done.returncode}, {done.stderr.strip()}")
        return done.stdout

    def _seconds(self, command):
        began = time.perf_counter()
        pid = os.posix_spawnp(command[0], command, self.environment)
        status = os.waitpid(pid, 0)[1]
        took = time.perf_counter() - began
        self._wait_for_all()
        if status != 0:
            raise BenchError(f"{' '.join(command)}: wait status {status:#x}")
        return took

    def _rows(self, name, unit, got):
        return [compare(name, unit, got, "pmirun", "native", "again", at_most=LIMIT),
                compare(name, unit, got, "no-preload", "native", "again", at_most=LIMIT, note="--no-preload")]

    def loop(self, bench):
        name, arguments = LOOPS[bench]
        in_folder = [os.path.join(self.programs, word) for word in ["loops", *arguments]]
        command = [in_folder[0], arguments[0], *in_folder[2:]]
        sides = self.sides(lambda c: float(self._output(c)) / 1000, command)
        if arguments[-1] == "nothing":
            empty = ["env", "LD_PRELOAD=" + os.path.join(self.programs, "empty.so")]
            sides["empty"] = lambda: float(self._output([*empty, *command])) / 1000
        got = take_turns(sides, SHORT * self.repeat)
        # What the loader asks for any library that is preloaded: no more can be saved in ours.
        least = [compare(name, "us", got, "empty", "native", "again", note="an empty library, no pmirun")] if "empty" in got else []
        return self._rows(name, "us", got) + least

    def compile(self):
        gcc = shutil.which("gcc")
        if gcc is None:
            return [Row("gcc of a C file: no gcc here", "ms", None, None, None, "")]
        source = os.path.join(self.directory, "compiled.c")
        with open(source, "w") as f:
            f.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n")
            f.writelines(f"int f{n}(const char *s, int k) {{\n  int sum = {n};\n  for (; *s; s++) {{\n    if (*s == {n % 90 + 33})"
                         f" sum += k * {n};\n    else sum ^= sum << 3 | *s;\n  }}\n"
                         f"  if (sum < 0) printf(\"%d {n}\\n\", sum);\n  return sum;\n}}\n" for n in range(FUNCTIONS))
        command = [gcc, "-O1", "-c", source, "-o", source + ".o"]
        got = take_turns(self.sides(lambda c: 1000 * self._seconds(c), command), self.repeat)
        return self._rows(f"gcc -O1 of {FUNCTIONS} functions", "ms", got)

    def launch(self):
        true = shutil.which("true")
        got = take_turns(self.sides(lambda c: statistics.median(1000 * self._seconds(c) for _ in range(LAUNCHES)), [true]),
                         SHORT * self.repeat)
        rows = []
        for side in ("pmirun", "no-preload"):
            more = statistics.median(v - b for v, b in zip(got[side], got["native"]))
            rows.append(Row("launch of true", "ms", statistics.median(got["native"]), statistics.median(got[side]), more,
                            "ms", at_most=LAUNCH_LIMIT_MS, note="--no-preload" if side == "no-preload" else "",
                            noise=noise_of(got["again"], got["native"]), more={"values": got}))
        return rows

    def bench(self, name):
        return self.loop(name) if name in LOOPS else getattr(self, name)()

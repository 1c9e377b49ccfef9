"""What the cases of bad_input.py stand on."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import nodes
from driver import HOME, Job

PMI_FAILED, USAGE, LAUNCHER, CANT_RUN, NOT_FOUND = 1, 2, 125, 126, 127
WITHIN = 8.0  # seconds: 5 is what pmi allows itself to wait, the rest is the machine's


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


class Tester:
    """What a case gets: a home with one program that must not notice anything, and a node."""

    def __init__(self, run, program, number):
        self.run, self.program = run, program
        self.node = nodes.Node(run, number, name="there")
        self.count = number * 1000
        self.directory = self.fresh("witness")
        self.witness = Job(run, self.directory, [self.node], [program, "1000000", "4"], timeout=WITHIN)
        self.witness.wait_for_start()
        self.moved = 0

    def fresh(self, name):
        self.count += 1
        path = os.path.join(self.run.directory, f"{name}-{self.count}")
        os.mkdir(path, 0o700)
        return path

    def environment(self, **changes):
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": self.directory, "XDG_RUNTIME_DIR": self.directory,
               "PMI_KEYS": self.run.keys, **changes}
        return {name: value for name, value in env.items() if value is not None}

    def call(self, *words, cwd="/", within=WITHIN, stdout=subprocess.PIPE, **changes):
        command = [self.run.tool(words[0]), *map(str, words[1:])]
        try:
            return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, errors="replace", timeout=within, cwd=cwd,
                                  env=self.environment(**changes), stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(map(str, words))} took more than {within} s") from None

    def fails(self, *words, status=PMI_FAILED, says=(), **more):
        """The command fails with `status` and one line that holds each of `says`. Gives the line."""
        done = self.call(*words, **more)
        shown = " ".join(map(str, words))
        if done.returncode != status:
            raise Failed(f"{shown}: status {done.returncode}, not {status}: {done.stderr.strip() or done.stdout.strip()}")
        lines = done.stderr.splitlines()
        if len(lines) != 1 or not lines[0].startswith(words[0] + ": "):
            raise Failed(f"{shown}: not one line that starts with its name: {done.stderr!r}")
        if done.stdout:
            raise Failed(f"{shown}: it failed, and says on stdout: {done.stdout!r}")
        for word in says if isinstance(says, (tuple, list)) else (says,):
            if word not in lines[0]:
                raise Failed(f"{shown}: {word!r} isn't in {lines[0]!r}")
        return lines[0]

    def works(self, *words, **more):
        done = self.call(*words, **more)
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, words))}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    @property
    def pid(self):
        return self.witness.pid

    def wont_move_to(self, node, *says, **more):
        """Neither pmictl migrate nor, if it is one that pings, pmictl ping."""
        return self.fails("pmictl", "migrate", self.pid, node, says=says, **more)

    def check_witness(self):
        """It runs on, where it was, and its output has no gap."""
        if not self.witness.is_running():
            raise Failed(f"the program has ended: {self.witness.process.returncode}: {self.witness.errors()[-300:]}")
        if (where := self.witness.where(self.pid)) != HOME:
            raise Failed(f"the program is at {where}")
        before = len(self.witness.output_bytes())
        end = time.monotonic() + 10
        while len(self.witness.output_bytes()) == before:
            if time.monotonic() > end:
                raise Failed("the program stands still")
            time.sleep(0.005)
        lines = self.witness.output().split("\n")[:-1]
        if lines != [str(n) for n in range(1, len(lines) + 1)]:
            raise Failed("the program's output has a gap")
        if errors := self.witness.errors():
            raise Failed(f"the program says: {errors[-300:]}")

    def wait_for(self, condition, what, within=10):
        end = time.monotonic() + within
        while not (result := condition()):
            if time.monotonic() > end:
                raise Failed(f"never came true: {what}")
            time.sleep(0.005)
        return result

    def another_job(self, mib, *options, started=True, wrapped=(), **changes):
        """A second program; to be ended with end_job()."""
        job = Job(self.run, self.fresh("job"), [self.node], [self.program, "1000000", str(mib)], timeout=60, options=options,
                  env=changes, wrapped=wrapped)
        if started:
            job.wait_for_start()
        return job

    def end_job(self, job):
        """Nobody else's processes; its supervisor takes the control socket away by itself."""
        job.process.kill()
        job.process.wait()
        self.wait_for(lambda: not os.path.lexists(job.control), f"the control socket {job.control} is gone")

    def close(self):
        self.witness.end()
        self.node.stop()


def write(path, text, mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def at_once(*actions):
    """All of them in threads of their own, since some wait for seconds; raises what the first one that fails raises."""
    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result() for future in [pool.submit(action) for action in actions]]


def both(t, address, *says):
    """migrate and ping say the same of such a node."""
    at_once(lambda: t.fails("pmictl", "migrate", t.pid, address, says=(address, *says)),
            lambda: t.fails("pmictl", "ping", address, says=(address, *says)))


def insecure_ping_fails(t, address, *says):
    """Gives what it says, apart from the warning that there are no keys."""
    done = t.call("pmictl", "--insecure", "ping", address)
    lines = done.stderr.splitlines()
    if done.returncode != PMI_FAILED or len(lines) != 2 or "WARNING" not in lines[0]:
        raise Failed(f"ping {address}: status {done.returncode}, {done.stderr!r}")
    for word in (address, *says):
        if word not in lines[1]:
            raise Failed(f"ping {address}: {word!r} isn't in {lines[1]!r}")
    return lines[1]

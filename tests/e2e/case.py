"""What a case of real_programs.py works with: nodes, jobs, movers, comparisons."""

import os
import shutil
import socket
import subprocess
import time

from driver import Job, RandomMover

HERE = os.path.dirname(os.path.abspath(__file__))
CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


class Case:
    """What a case function gets: a directory, nodes, and ways to run programs moved and unmoved."""

    def __init__(self, run, nodes, directory, options, seed):
        self.run, self.nodes, self.directory, self.options, self.seed = run, nodes, directory, options, seed
        self.ids = {} if run.user is None else {"user": run.user, "group": run.user, "extra_groups": []}
        self.jobs, self.movers, self.moves, self.notes = [], [], 0, []
        self.environment = {"PATH": CLEAN_PATH, "HOME": directory, "LANG": "C.UTF-8", "TZ": "UTC", "TMPDIR": directory}

    # ---- what is there

    def need(self, *programs):
        found = [shutil.which(p, path=CLEAN_PATH + ":/usr/lib/postgresql/15/bin") for p in programs]
        for program, path in zip(programs, found):
            if path is None:
                raise Skipped(f"{program} isn't installed")
        return found[0] if len(found) == 1 else found

    def path(self, name):
        return os.path.join(self.directory, name)

    def directory_for(self, name):
        """The program's to write in, whoever it runs as."""
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        if self.run.user is not None:
            os.chown(path, self.run.user, self.run.user)
        return path

    def write(self, name, text):
        self.directory_for(os.path.dirname(name))
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def compile(self, source, *flags):
        self.need("gcc")
        target = self.path(os.path.splitext(os.path.basename(source))[0])
        subprocess.run(["gcc", "-O1", "-o", target, source, "-pthread", *flags], check=True, timeout=120)
        return target

    def sample(self, name):
        path = os.path.join(self.options.build, "samples", name)
        if not os.path.exists(path):
            raise Skipped(f"{path} isn't built")
        return path

    def need_root(self):
        if self.run.user is not None:
            raise Skipped("needs root")

    # ---- running

    def unmoved(self, command, stdin=None, cwd=None, status=0):
        done = subprocess.run(command, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
                              cwd=cwd or self.directory, env=self.environment, timeout=self.options.timeout, **self.ids)
        if done.returncode != status:
            raise Failed(f"the unmoved run: status {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
        return done.stdout

    def start(self, command, **kwargs):
        directory = self.path(f"job{len(self.jobs)}")
        os.mkdir(directory, 0o700)
        env = {**self.environment, "XDG_RUNTIME_DIR": directory, **kwargs.pop("env", {})}
        kwargs["options"] = (*kwargs.get("options", ()), *self.options.pmirun_option)
        saved = dict(os.environ)
        os.environ.clear()  # the program starts from the case's environment only
        os.environ.update({"PATH": CLEAN_PATH})
        try:
            job = Job(self.run, directory, self.nodes, command, env=env, timeout=self.options.command_timeout,
                      cwd=kwargs.pop("cwd", self.directory), **kwargs)
        finally:
            os.environ.clear()
            os.environ.update(saved)
        job.mode = self.options.mode
        self.jobs.append(job)
        return job

    def mover(self, job, pids=None, pause=(0.02, 0.2), limit=None):
        mover = RandomMover(job, self.nodes[:1], self.seed + len(self.movers), pause=pause, pids=pids, limit=limit,
                            alternate=True)
        self.movers.append(mover)
        mover.start()
        return mover

    def finish(self, job, mover, at_least=None, status=0):
        """Waits for the program's end; checks its status, the moves and that nothing is left. Gives its stdout."""
        try:
            code = job.wait(self.options.timeout)
        finally:
            if mover:
                mover.stopped.set()
        if mover:
            mover.stop()
        errors = job.errors() if os.path.exists(job.stderr_path) else ""
        if code != status:
            raise Failed(f"status {code}, not {status}: {errors[-400:]}")
        if mover and mover.failed:
            raise Failed(f"a move failed: {mover.failed[0]}")
        wanted = self.options.moves if at_least is None else at_least
        if mover and mover.done < wanted:
            raise Failed(f"only {mover.done} moves of {wanted}" + (f"; refused: {mover.refused}" if mover.refused else ""))
        if mover and mover.refused:
            self.notes.append(f"refused at times: {sorted(mover.refused)[0].split('cantmove: ')[-1]}")
        left = job.leftovers()
        if left:
            raise Failed("; ".join(left[:4]))
        return job.output_bytes()

    def moved(self, command, at_least=None, status=0, pids=None, pause=(0.02, 0.2), limit=None, **kwargs):
        job = self.start(command, **kwargs)
        return self.finish(job, self.mover(job, pids, pause, limit), at_least, status)

    def until_moved_enough(self, once):
        """Runs once() again until --moves moves were made: how long a program lasts depends on the machine."""
        for _ in range(8):
            once()
            if sum(m.done for m in self.movers) >= self.options.moves:
                return
        raise Failed(f"only {sum(m.done for m in self.movers)} moves of {self.options.moves} in 8 runs")

    def moved_often(self, command_for, wanted, **kwargs):
        """Runs command_for(seconds), and again for longer where the machine was too slow for `wanted` moves of that one
        run. Gives the last one's output."""
        seconds = self.options.sample_seconds
        for _ in range(4):
            out = self.moved(command_for(seconds), at_least=0, **kwargs)
            done = self.movers[-1].done
            if done >= wanted:
                return out
            seconds = min(4 * seconds, int(seconds * wanted / max(done, 1) * 1.3) + 1)
        raise Failed(f"only {done} moves of {wanted}, the last time in {seconds} s")

    def same(self, command, **kwargs):
        """The common case: the same bytes on stdout, moved or not."""
        expected = self.unmoved(command)
        self.until_moved_enough(lambda: compare(self.moved(command, at_least=0, **kwargs), expected))

    def describe_failure(self):
        text = []
        for job in self.jobs:
            if job.is_running():
                text.append(f"--- still there\n{job.state_of_hang()}")
            if os.path.exists(job.stderr_path) and job.errors().strip():
                text.append(f"--- stderr\n{job.errors()[-1500:]}")
            text.append(job.logs(self.options.log_lines))
        return "\n".join(text)

    def end(self):
        for mover in self.movers:
            mover.stopped.set()
        for job in self.jobs:
            job.end()


def compare(got, expected, what="output"):
    if got == expected:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
    raise Failed(f"{what} differs at byte {at} of {len(expected)} (got {len(got)}): {got[at:at + 60]!r}, "
                 f"not {expected[at:at + 60]!r}")


def wait_for(condition, what, within=20.0, pause=0.02):
    end = time.monotonic() + within
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"never came true within {within} s: {what}")
        time.sleep(pause)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

"""One job under test: pmirun with a program, its moves through pmictl, and the MIGRATE_POINT server.

Every call is bounded by a timeout. A job's processes are the descendants of the process that drives it (which is a
child subreaper), apart from the nodes; so one driving process runs one job at a time.
"""

import glob
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import system

HOME = "home"
STEERING = {"away": signal.SIGRTMAX - 1, "home": signal.SIGRTMAX}


class CommandError(Exception):
    """pmictl failed: its one line on stderr, without "pmictl: "."""

    def __init__(self, command, status, text):
        self.status, self.reason = status, text.strip().removeprefix("pmictl: ")
        self.forces_mode = "--mode" in command
        super().__init__(f"{' '.join(command)}: {self.reason or f'status {status}'}")

    def is_cantmove(self):
        """Not at all just then, or not in the mode that was asked for."""
        return "cantmove:" in self.reason or (self.forces_mode and "Operation not supported" in self.reason)

    def is_gone(self):
        """The process ended before or meanwhile: nobody's fault where moves come at random instants."""
        return any(text in self.reason for text in ("has ended", "no process ", "belongs to no job", "no supervisor listens",
                                                    "ended while", "ended during"))

    def is_busy(self):
        return "already" in self.reason or "is not away" in self.reason  # an exec brought it home just before


class Hang(Exception):
    pass


def place_of(where, nodes):
    """Index of the node that `where` says: by its name, or by the address that was typed."""
    return next(i for i, node in enumerate(nodes) if where in (node.name, node.address))


class Job:
    """pmirun PROGRAM in `directory`. `nodes` are those that descend from us and aren't the job's."""

    def __init__(self, run, directory, nodes, program, env=None, stdin=subprocess.DEVNULL, stdout=None, stderr=None,
                 options=(), timeout=30.0, cwd=None, node_pids=(), log_level="debug", wrapped=()):
        self.run, self.directory, self.nodes, self.timeout = run, directory, list(nodes), timeout
        self.without = {n.init for n in self.nodes if n.init} | set(node_pids)
        self.log = os.path.join(directory, "supervisor.log")
        self.control = os.path.join(directory, "control")
        self.ids = {} if run.user is None else {"user": run.user, "group": run.user, "extra_groups": []}
        if run.user is not None:
            os.chown(directory, run.user, run.user)
        self.environment = {**os.environ, "TMPDIR": directory, "XDG_RUNTIME_DIR": directory, "HOME": directory, **(env or {})}
        self.stdout_path, self.stderr_path = os.path.join(directory, "stdout"), os.path.join(directory, "stderr")
        self.moves, self.lock = 0, threading.Lock()
        self.node_log_sizes = {n.name: n.log_size() for n in self.nodes}
        # `wrapped`: a command that execs the one behind it.
        command = [*wrapped, run.tool("pmirun"), "--control", self.control, "--keys", run.keys, "--log", self.log, "--log-level",
                   log_level, *options, "--", *program]
        out = stdout if stdout is not None else open(self.stdout_path, "wb")
        err = stderr if stderr is not None else open(self.stderr_path, "wb")
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err, cwd=cwd or directory,
                                        env=self.environment, start_new_session=True, **self.ids)
        self.pid = self.process.pid
        for given, opened in ((stdout, out), (stderr, err)):
            if given is None:
                opened.close()

    # ---- commands

    def pmictl(self, *args, timeout=None, control=True):
        command = ["pmictl", *(["--control", self.control] if control else []), "--keys", self.run.keys, *map(str, args)]
        try:
            done = subprocess.run([self.run.tool("pmictl"), *command[1:]], capture_output=True, text=True, cwd="/",
                                  timeout=timeout or self.timeout, env=self.environment, errors="replace", **self.ids)
        except subprocess.TimeoutExpired:
            raise Hang(f"pmictl {' '.join(map(str, args))} took more than {timeout or self.timeout} s") from None
        if done.returncode != 0:
            raise CommandError(["pmictl", *map(str, args)], done.returncode, done.stderr)
        return done.stdout

    mode = None  # of moves for which no other is given; pmictl's own default

    def migrate(self, pid, node, mode=None, timeout=None):
        """Moves PID to `node`; gives pmictl's figures as a dictionary."""
        mode = mode or self.mode
        answer = self.pmictl("migrate", pid, getattr(node, "address", node), "--json", *(["--mode", mode] if mode else []),
                             timeout=timeout)
        with self.lock:
            self.moves += 1
        return json.loads(answer)

    def home(self, pid, timeout=None):
        answer = json.loads(self.pmictl("home", pid, "--json", timeout=timeout))
        if not answer.get("already"):
            with self.lock:
                self.moves += 1
        return answer

    def where(self, pid, timeout=None):
        """ "home", or the node's name."""
        return self.pmictl("where", pid, timeout=timeout).strip()

    def ps(self, timeout=None):
        return json.loads(self.pmictl("ps", "--json", timeout=timeout))

    def row(self, pid):
        return next((row for row in self.ps() if row["pid"] == pid), None)

    # ---- the program's end

    def is_running(self):
        return self.process.poll() is None

    def wait_for_start(self):
        """Until the program runs and its supervisor answers; False if it ended before."""
        while self.is_running():
            try:
                self.where(self.pid)
            except CommandError:
                time.sleep(0.01)
                continue
            # pmirun has become the program: what /proc calls it is no longer pmirun.
            with open(f"/proc/{self.pid}/comm") as f:
                if f.read().strip() != "pmirun":
                    return True
            time.sleep(0.005)
        return False

    def wait(self, timeout):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Hang(f"still runs after {time.monotonic() - self.started:.1f} s") from None

    def processes(self):
        """What is left of the job on this machine, dead children of ours aside."""
        me = os.getpid()
        return [p for p in system.descendants(me, self.without) if not (p.state in "ZX" and p.ppid == me)]

    def leftovers(self, within=20.0):
        """What is still there when all should have ended: text lines, none when clean. Waits up to `within` s."""
        end = time.monotonic() + within
        while True:
            system.reap(self.without | {self.pid})
            lines = [f"left at home: {p}" for p in self.processes()]
            if os.path.lexists(self.control):
                lines.append(f"left: control socket {self.control}")
            for node in self.nodes:
                lines += [f"left on {node.name}: {p}" for p in node.processes()]
            if not lines or time.monotonic() > end:
                return lines
            time.sleep(0.02)

    def end(self):
        """Ends whatever is left of the job, here and on the nodes, by PID."""
        system.kill_descendants(os.getpid(), self.without)
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            pass
        for node in self.nodes:
            for process in node.processes():
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        # What a test program that was killed has made by name; the names are pmi_test.h's manner.
        for made in glob.glob(f"/dev/shm/*pmi-test-{self.pid}-*"):
            os.unlink(made)
        if os.path.lexists(self.control):
            os.unlink(self.control)

    def state_of_hang(self):
        """For a report: what everybody is waiting for."""
        lines = [f"  {p}" + (" TRACED" if p.state == "t" else "") for p in self.processes()]
        for node in self.nodes:
            lines += [f"  {node.name}: {p}" for p in node.processes()]
        return "\n".join(lines)

    def logs(self, lines=30):
        text = [f"--- supervisor log\n{system.tail(self.log, lines)}"]
        for node in self.nodes:
            part = node.log_since(self.node_log_sizes[node.name], lines)
            if part:
                text.append(f"--- pmid {node.name}\n{part}")
        return "\n".join(text)

    def output_bytes(self):
        try:
            with open(self.stdout_path, "rb") as f:
                return f.read()
        except FileNotFoundError:  # it went elsewhere
            return b""

    def output(self):
        return self.output_bytes().decode(errors="replace")

    def errors(self):
        with open(self.stderr_path, "rb") as f:
            return f.read().decode(errors="replace")


class PointServer:
    """Answers MIGRATE_POINT()s: for each it calls at_point(pid, line, n) (n: how many this PID had before), then
    answers. Points of different processes are served at the same time, those of one process in turn."""

    def __init__(self, path, at_point):
        self.path, self.at_point = path, at_point
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        os.chmod(path, 0o777)
        self.socket.listen(256)
        self.points = 0
        self.counts, self.locks, self.lock = {}, {}, threading.Lock()
        self.failed = []  # what at_point raised: (pid, line, exception)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            connection.settimeout(60)
            text = b""
            try:
                while not text.endswith(b"\n"):
                    part = connection.recv(64)
                    if not part:
                        return
                    text += part
                pid, line = map(int, text.split())
            except (OSError, ValueError):
                return
            with self.lock:
                lock = self.locks.setdefault(pid, threading.Lock())
            with lock:
                with self.lock:
                    self.points += 1
                    n = self.counts[pid] = self.counts.get(pid, -1) + 1
                try:
                    self.at_point(pid, line, n)
                except Exception as e:  # pylint: disable=broad-except
                    with self.lock:
                        self.failed.append((pid, line, e))
            try:
                connection.sendall(b"1")
            except OSError:
                pass

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass


class RandomMover(threading.Thread):
    """Moves the processes of a job about at random instants, until stopped. Which processes and how long between moves
    comes from `seed`; what happens in between doesn't repeat."""

    def __init__(self, job, nodes, seed, pause=(0.005, 0.15), limit=None, pids=None, alternate=False):
        super().__init__(daemon=True)
        self.job, self.nodes, self.pause, self.limit, self.pids = job, list(nodes), pause, limit, pids
        self.alternate = alternate
        self.random = random.Random(seed)
        self.stopped = threading.Event()
        self.failed = []    # (what, exception): neither a cantmove nor a process that has just ended
        self.refused = {}   # reason: count
        self.done = 0
        self.chosen = job.pid

    def run(self):
        while not self.stopped.wait(self.random.uniform(*self.pause)):
            if not self.job.is_running() or (self.limit and self.done >= self.limit):
                return
            try:
                self._move_one()
            except CommandError as e:
                if e.is_cantmove():
                    self.refused[e.reason] = self.refused.get(e.reason, 0) + 1
                elif not (e.is_gone() or e.is_busy() or self._has_ended()) and self.job.is_running():
                    self.failed.append(e)
                    if len(self.failed) > 5:
                        return
            except Exception as e:  # pylint: disable=broad-except
                self.failed.append(e)
                return

    def _has_ended(self):
        """The process that was to move: then whatever failed, failed because of that."""
        return not system.is_alive(self.chosen)

    def _move_one(self):
        rows = [r for r in self.job.ps() if self.pids is None or r["pid"] in self.pids]
        if not rows:
            return
        rows.sort(key=lambda row: row["pid"])
        row = self.random.choice(rows)
        self.chosen = row["pid"]
        places = [HOME] + self.nodes
        here = 0 if row["where"] == HOME else 1 + place_of(row["where"], self.nodes)
        if self.alternate:
            to = HOME if here else self.nodes[self.done // 2 % len(self.nodes)]
        else:
            to = self.random.choice([p for i, p in enumerate(places) if i != here])
        if to == HOME:
            self.job.home(row["pid"])
        else:
            self.job.migrate(row["pid"], to)
        self.done += 1

    def stop(self):
        self.stopped.set()
        self.join(self.job.timeout + 5)

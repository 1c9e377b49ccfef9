"""A program that is away: how fast it computes, and what a forwarded call costs."""

import os
import shutil
import subprocess
import tempfile

import driver
import system
from measure import SHORT, BenchError, Talker, compare, take_turns

SPEED = 0.98
CALLS = 3000  # a side and repetition
WALK_BYTES = 64 << 20
COMPUTE = {"matrix": ("matrices of 96 x 96", "matrix 400"), "walk": ("random walk in 64 MiB", "walk 400000")}
CLOCK = 1.25  # times as long, for those that take a few ten nanoseconds
CLOCKS = {"realtime": "CLOCK_REALTIME", "monotonic": "CLOCK_MONOTONIC", "coarse": "CLOCK_REALTIME_COARSE"}
CLOCK_READINGS = 200000
PATCHED = 0.2  # of a system call
ASKED = 200000
OTHER_WAYS = {"zpoline": "answered at address 0 (zpoline)", "trap": "answered by SIGSYS (seccomp TRAP)",
              "ptrace": "answered by a tracer (SYSEMU)"}
LOCAL = 1.6
LOOPS = {"futex": ("futex", 100000), "mmap": ("mmap, munmap", 20000), "yield": ("sched_yield", 100000), "mask": ("rt_sigprocmask", 2000),
         "same-mask": ("rt_sigprocmask that changes nothing", 2000)}
CLONE_NEWNET = 0x40000000


class Resident:
    """tests/bench/resident under pmirun, at home to begin with."""
    program = "resident"

    def __init__(self, run, node, programs, options=()):
        self.directory = tempfile.mkdtemp(prefix="resident-", dir=run.directory)
        self.node = node
        self.job = driver.Job(run, self.directory, [node], [os.path.join(programs, self.program)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, log_level="debug", timeout=60, options=options)
        self.talk = Talker(self.job.process)

    def leave(self):
        return self.job.migrate(self.job.pid, self.node)

    def come_home(self):
        return self.job.home(self.job.pid)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.talk.end() if kind is None else None
        if status != 0:
            self.job.end()
        if kind is None and status != 0:
            raise BenchError(f"the moved program ended with {status}: {self.job.errors()}")
        system.reap()
        os.system("grep -h \"stood still\" %s/*log* | cut -c40-" % self.directory); shutil.rmtree(self.directory, ignore_errors=True)


class Link:
    """Plain TCP peers (tests/bench/link), at home and on the node, over the link that the move uses."""

    def __init__(self, run, node, programs):
        self.node, self.program = node, os.path.join(programs, "link")
        self.namespace = f"/proc/{node.init}/ns/net" if run.mode == "namespace" else None
        self.home_address = f"{run.subnet}.1" if run.mode == "namespace" else "127.0.0.1"
        self.servers = {"home": self._start("home", "serve", self.home_address), "node": self._start("node", "serve", node.host)}
        self.ports = {side: server.read() for side, server in self.servers.items()}

    def _start(self, side, *arguments):
        def enter():
            if side == "node" and self.namespace is not None:
                with open(self.namespace) as f:
                    if system.libc.setns(f.fileno(), CLONE_NEWNET) != 0:
                        os._exit(125)
        return Talker.start([self.program, *map(str, arguments)], preexec_fn=enter)

    def client(self, command, from_side, *arguments):
        """Of the server on the other side."""
        to = "home" if from_side == "node" else "node"
        return self._start(from_side, command, self.node.host if to == "node" else self.home_address, self.ports[to], *arguments)

    def ping(self, from_side, count, more=0):
        """With so many bytes more in each answer."""
        client = self.client("ping", from_side, count, more)
        answer = client.read()
        client.end()
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.process.kill()
            server.end()


def compute(run, node, programs, repeat, names):
    """Speed away against native, of the same program."""
    rows = []
    native, again = (Talker.start([os.path.join(programs, "resident")]) for _ in range(2))
    with Resident(run, node, programs) as away:
        talkers = {"native": native, "away": away.talk, "again": again}
        for talker in talkers.values():
            talker.ask(f"fill {WALK_BYTES}")
        away.leave()
        for name in names:
            title, line = COMPUTE[name]
            got = take_turns({side: lambda t=t, line=line: t.number(line) for side, t in talkers.items()}, SHORT * repeat)
            rows.append(compare(title, "ms", got, "away", "native", "again", inverse=True, at_least=SPEED))
    native.end(), again.end()
    return rows


def clocks(run, node, programs, repeat):
    """Reading a clock through the vDSO, away against natively."""
    rows = []
    native, again = (Talker.start([os.path.join(programs, "resident")]) for _ in range(2))
    with Resident(run, node, programs) as away:
        talkers = {"native": native, "away": away.talk, "again": again}
        for talker in talkers.values():
            talker.ask("clock coarse 1")  # it has started
        away.leave()
        for name, title in CLOCKS.items():
            line = f"clock {name} {CLOCK_READINGS}"
            got = take_turns({side: lambda t=t, line=line: t.number(line) for side, t in talkers.items()}, SHORT * repeat)
            rows.append(compare(title, "ns", got, "away", "native", "again", at_most=None if name == "coarse" else CLOCK))
    native.end(), again.end()
    return rows


def patched(run, node, programs, repeat):
    """A call that the program's own code answers, away, against a system call, natively."""
    native, again = (Talker.start([os.path.join(programs, "resident")]) for _ in range(2))
    with Resident(run, node, programs) as away:
        away.leave()
        away.talk.ask("ask getuid 100")  # so that it is hot
        line = f"ask getpid {ASKED}"
        got = take_turns({"native": lambda: native.number(line), "away": lambda: away.talk.number(f"ask getuid {ASKED}"),
                          "again": lambda: again.number(line)}, SHORT * repeat)
        rows = [compare("getuid, patched / native getpid", "ns", got, "away", "native", "again", at_most=PATCHED)]
    native.end(), again.end()
    return rows


def answered(run, node, programs, repeat):
    """The same as other tools answer a call, against the system call."""
    native = Talker.start([os.path.join(programs, "resident")])

    def other(way):
        return subprocess.run([os.path.join(programs, "answered"), way], capture_output=True, text=True, check=True).stdout.strip()

    ways = {way: title for way, title in OTHER_WAYS.items() if other(way) != "-"}
    with Resident(run, node, programs) as away:
        away.leave()
        away.talk.ask("ask getuid 100")  # so that it is hot
        sides = {way: lambda way=way: float(other(way)) for way in ways}
        got = take_turns({"native": lambda: native.number(f"ask getpid {ASKED}"),
                          "pmi": lambda: away.talk.number(f"ask getuid {ASKED}"), **sides}, repeat)
    native.end()
    return [compare(f"{title} / native getpid", "ns", got, side, "native")
            for side, title in {"pmi": "answered by patched code", **ways}.items()]


def local(run, node, programs, repeat):
    """Calls that the guest's own kernel performs."""
    rows = []
    native, again = (Talker.start([os.path.join(programs, "resident")]) for _ in range(2))
    with Resident(run, node, programs) as away:
        talkers = {"native": native, "away": away.talk, "again": again}
        away.leave()
        for name, (title, count) in LOOPS.items():
            line = f"loop {name} {count}"
            got = take_turns({side: lambda t=t, line=line: t.number(line) for side, t in talkers.items()}, SHORT * repeat)
            rows.append(compare(title, "ns", got, "away", "native", "again", at_most=LOCAL))
    native.end(), again.end()
    return rows


def pin(pids, cpus):
    """All threads of these processes."""
    for pid in pids:
        for tid in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(tid), cpus)


def calls(run, node, programs, repeat):
    """A call that the deputy performs against a round trip of plain TCP, and one that the node lets the guest's own kernel do:
    the notification alone, without the link. Where the kernel runs the six tasks that take part decides more than all else, so:
    wherever it runs them, all on one CPU (what it takes at least), home and node on a CPU each (as two machines would)."""
    with Link(run, node, programs) as link, Resident(run, node, programs) as away:
        away.leave()
        rows = _call_rows("", link, away, repeat)
        home = [away.job.pid, link.servers["home"].process.pid, *(p.pid for p in away.job.processes() if p.comm != "link")]
        there = [node.pid, *(p.pid for p in node.processes()), os.getpid()]  # and the TCP client, which we start
        last = os.cpu_count() - 1
        for where, cpu_of_home in ((", one CPU", last), (", a CPU each", 0)):
            if where == ", a CPU each" and last == 0:
                continue
            pin(home, [cpu_of_home]), pin(there, [last])
            rows += _call_rows(where, link, away, repeat)
        pin([os.getpid()], range(os.cpu_count()))
    return rows


def _call_rows(where, link, away, repeat):
    def ping():
        return [float(word) / 1000 for word in link.ping("node", CALLS).split()]

    def call(name):
        return [float(word) / 1000 for word in away.talk.ask(f"call {name} {CALLS}").split()]

    got = take_turns({"tcp": ping, "getppid": lambda: call("getppid"), "local": lambda: call("sigaction"), "again": ping}, repeat)
    p50, p99 = ({side: [v[index] for v in values] for side, values in got.items()} for index in range(2))
    return [compare(f"{title} / TCP{where}, {quantile}", "us", of, side, "tcp", "again", note=note)
            for title, quantile, of, side, note in
            (("forwarded getppid", "p50", p50, "getppid", "goal: <= 1.6 x"), ("forwarded getppid", "p99", p99, "getppid", ""),
             ("notification alone", "p50", p50, "local", ""))]

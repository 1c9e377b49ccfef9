"""Nodes for the end-to-end tests.

A Node in a namespace is a machine of its own as far as a program can tell: own network (joined to home by a veth on
a bridge of this run), own PIDs, own mounts (private /proc, other /tmp, /home, /root, /var/tmp: a path that is used
there by mistake isn't there), own host name, clocks days away from home's. In it runs one pmid. A plain Node is a
pmid on 127.0.0.1, for where namespaces can't be made.

Everything ends with the process that made it: the node's init has PDEATHSIG, its PID namespace dies with it, its
network with that and the veth with the network. The bridge alone stays if the run is killed: its name holds the PID of
its owner, and the next run removes it (remove_stale).
"""

import atexit
import os
import re
import select
import signal
import shutil
import subprocess
import tempfile
import time

import system

PORT = 7700
SPARE = "pmid-spare"  # a session's name before it has work
BRIDGE = "pmib"  # + owner's PID
PREFIX = "pmi-e2e-"  # of the run's directory, + owner's PID
_DAYS = 86400


class NodeError(Exception):
    pass


def _ip(*args, check=True):
    done = subprocess.run(["ip", *map(str, args)], capture_output=True, text=True, timeout=20)
    if check and done.returncode != 0:
        raise NodeError(f"ip {' '.join(map(str, args))}: {done.stderr.strip()}")
    return done


def can_make_namespaces():
    """Whether we may do what a Node in a namespace needs: tried in a child."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    pid = os.fork()
    if pid == 0:
        try:
            system.unshare(system.CLONE_NEWNS | system.CLONE_NEWNET | system.CLONE_NEWPID | system.CLONE_NEWUTS
                           | system.CLONE_NEWTIME)
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def remove_stale(base="/tmp"):
    """What killed runs left: bridges and directories named by PIDs that no longer run."""
    if os.geteuid() == 0 and shutil.which("ip"):
        for name in re.findall(rf"\b({BRIDGE}\d+)\b", _ip("-o", "link", "show", "type", "bridge", check=False).stdout):
            if not os.path.exists(f"/proc/{name[len(BRIDGE):]}"):
                _ip("link", "del", name, check=False)
    for name in os.listdir(base):
        match = re.fullmatch(rf"{PREFIX}(\d+)-\w+", name)
        if match and not os.path.exists(f"/proc/{match[1]}") and not os.path.exists(f"{base}/{name}/keep"):
            shutil.rmtree(f"{base}/{name}", ignore_errors=True)


class Run:
    """What all nodes of one run share: the directory, the binaries (linked, so that a rebuild doesn't change them under
    a running test), the home keys, the bridge. Use as a context manager."""

    def __init__(self, build, mode="auto", user=None, base="/tmp", share_keys=True,
                 other_clocks=True, others=(), keys=None):
        """`others`: addresses of nodes that run already, on machines of their own; `keys`: the directory they share with us."""
        self.owner = os.getpid()
        self.bridge = self.directory = None
        remove_stale(base)
        self.other_clocks = other_clocks  # nodes in namespaces: days away from home
        self.share_keys = share_keys  # else each node has its own, and they are told to trust each other
        self.build, self.user = os.path.abspath(build), user
        if mode == "auto":
            mode = "namespace" if can_make_namespaces() else "plain"
        self.mode = mode
        self.directory = tempfile.mkdtemp(prefix=f"{PREFIX}{self.owner}-", dir=base)
        os.chmod(self.directory, 0o755)
        atexit.register(self.close)
        self.bin = os.path.join(self.directory, "bin")
        self._take_binaries()
        self.others = list(others)
        self.keys = keys or os.path.join(self.directory, "keys-home")
        if not keys:
            self._make_keys(self.keys, user)
        self.subnet = None
        if mode == "namespace":
            self._make_bridge()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if os.getpid() != self.owner:
            return
        if self.bridge:
            _ip("link", "del", self.bridge, check=False)
            self.bridge = None
        if self.directory and not os.path.exists(f"{self.directory}/keep"):
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory = None

    def _take_binaries(self):
        os.mkdir(self.bin)
        for name in ("bin/pmirun", "bin/pmictl", "bin/pmi-supervisor", "bin/libpmi.so", "bin/pmid"):
            if os.path.exists(os.path.join(self.build, name)):
                self.take(os.path.join(self.build, name), self.bin)
        os.symlink("libpmi.so", os.path.join(self.bin, "libpmi.so-beside-libasan.so"))
        missing = {"pmirun", "pmictl", "pmi-supervisor", "pmid"} - set(os.listdir(self.bin))
        if missing:
            raise NodeError(f"{self.build} holds no {', '.join(sorted(missing))}")

    @staticmethod
    def take(source, directory):
        """Gives the name of the file in `directory`: there everybody can reach it, and a linker that makes a new file
        leaves it as it is."""
        target = os.path.join(directory, os.path.basename(source))
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
        return target

    def tool(self, name):
        return os.path.join(self.bin, name)

    def compile(self, name, *flags):
        """Makes guests/NAME.c a program in the run's directory, and gives its path."""
        program = os.path.join(self.directory, name)
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guests", f"{name}.c")
        subprocess.run(["cc", "-O1", *flags, "-o", program, source], check=True)
        return program

    def _make_keys(self, directory, user=None):
        os.mkdir(directory, 0o700)
        if user is not None:
            os.chown(directory, user, user)
        self._key(directory, user, "show")

    def _key(self, directory, user, *args):
        ids = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        done = subprocess.run([self.tool("pmictl"), "--keys", directory, "key", *args], capture_output=True, text=True,
                              timeout=20, cwd="/", env={"HOME": directory, "PATH": os.environ["PATH"]}, **ids)
        if done.returncode != 0:
            raise NodeError(f"pmictl key {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def introduce(self, node_keys, node_user, name):
        """Home and the node trust each other's key; they share no directory."""
        self._key(node_keys, node_user, "trust", "--", self._key(self.keys, self.user, "show"), "home")
        self._key(self.keys, self.user, "trust", "--", self._key(node_keys, node_user, "show"), name)

    def _make_bridge(self):
        self.bridge = f"{BRIDGE}{self.owner}"
        used = _ip("-o", "addr", "show").stdout
        for attempt in range(200):
            number = self.owner + attempt * 7919
            self.subnet = f"10.{100 + number % 100}.{number // 100 % 256}"
            if f" {self.subnet}." not in used:
                break
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("addr", "add", f"{self.subnet}.1/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")


class Node:
    """One node with a pmid. `number` is unique in the run (1...200). Belongs to the process that makes it."""

    def __init__(self, run, number, name=None, pmid_options=(), log_level="debug"):
        self.run, self.number = run, number
        self.name = name or f"node{number}"
        self.directory = os.path.join(run.directory, f"node-{number}")
        self.log = os.path.join(self.directory, "pmid.log")
        self.keys = run.keys if run.share_keys else os.path.join(self.directory, "keys")
        self.pmid_options, self.log_level = list(pmid_options), log_level
        self.user = run.user if run.mode == "plain" else None
        self.init = self.pid = None
        os.mkdir(self.directory, 0o755)
        if not run.share_keys:
            run._make_keys(self.keys, self.user)
            run.introduce(self.keys, self.user, self.name)
        if self.user is not None:
            os.chown(self.directory, self.user, self.user)
        if run.mode == "namespace":
            self.host = f"{run.subnet}.{number + 1}"
            self.port = PORT
        else:
            self.host = "127.0.0.1"
            self.port = _free_port()
        self.address = f"{self.host}:{self.port}"
        self.owner = os.getpid()
        atexit.register(self.stop)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- starting

    def start(self):
        read, write = os.pipe()
        ready, go = os.pipe()
        self.init = os.fork()
        if self.init == 0:
            try:
                os.close(read), os.close(go)
                os.setsid()
                self._become_init(write, ready)
            except BaseException as e:
                os.write(write, f"error {e}\n".encode())
            finally:
                os._exit(125)
        os.close(write), os.close(ready)
        try:
            line = self._read_line(read)
            if line == "network":
                veth = self.veth = f"pv{self.owner}.{self.number}"[-15:]
                _ip("link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", self.init)
                _ip("link", "set", veth, "master", self.run.bridge, "up")
                os.write(go, b"1")
                line = self._read_line(read)
            while not line.startswith(("listening", "error")):
                line = self._read_line(read)
        except (NodeError, OSError) as e:
            line = f"error {e}"
        finally:
            os.close(go), os.close(read)
        if not line.startswith("listening"):
            self.stop()
            raise NodeError(f"node {self.name}: {line}; {system.tail(self.log, 3)}")
        self.pid = next((p.pid for p in system.descendants(self.init) if p.comm == "pmid"), None)

    def _read_line(self, fd, within=20.0):
        text, end = b"", time.monotonic() + within
        while not text.endswith(b"\n"):
            if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
                raise NodeError("no answer")
            byte = os.read(fd, 1)
            if not byte:
                raise NodeError("pmid ended: " + text.decode(errors="replace"))
            text += byte
        return text.decode(errors="replace").strip()

    def _become_init(self, say, go):
        system.die_with_parent()
        system.set_name("e2e-node")
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, signal.SIG_DFL)
        if self.run.mode == "namespace":
            self._enter_namespaces(say, go)
            inner = os.fork()  # the first in the PID and time namespaces
            if inner == 0:
                system.die_with_parent()
                system.set_name("e2e-node-init")
                self._fill_mounts()
                self._run_pmid(say)
            os.close(say)
            os.waitpid(inner, 0)
            os._exit(0)
        system.become_subreaper()
        self._run_pmid(say)

    def _enter_namespaces(self, say, go):
        import socket
        system.unshare(system.CLONE_NEWNS | system.CLONE_NEWNET | system.CLONE_NEWUTS | system.CLONE_NEWIPC)
        socket.sethostname(self.name)
        os.write(say, b"network\n")
        if os.read(go, 1) != b"1":
            os._exit(125)
        system.loopback_up()
        _ip("addr", "add", f"{self.host}/24", "dev", "eth0")
        _ip("link", "set", "eth0", "up")
        # Last: the next child is the first in these two, and then the offsets are fixed.
        system.unshare(system.CLONE_NEWPID)
        if not self.run.other_clocks:
            return
        system.unshare(system.CLONE_NEWTIME)
        days = (3 + 2 * self.number) * _DAYS + 12345
        with open("/proc/self/timens_offsets", "w") as f:
            f.write(f"monotonic {days} 111111111\nboottime {days + 77} 222222222\n")

    def _fill_mounts(self):
        system.mount("none", "/", None, system.MS_REC | system.MS_PRIVATE)
        system.mount("proc", "/proc", "proc", system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC)
        # What must stay readable is held by a descriptor while the tmpfs hides it.
        kept = [(path, os.open(path, os.O_PATH)) for path in (self.run.bin, self.directory, self.keys)]
        for path, mode in (("/tmp", "1777"), ("/var/tmp", "1777"), ("/home", "755"), ("/root", "700")):
            if os.path.isdir(path):
                system.mount("e2e", path, "tmpfs", system.MS_NOSUID | system.MS_NODEV, f"mode={mode}")
        for path, fd in kept:
            os.makedirs(path, exist_ok=True)
            system.mount(f"/proc/self/fd/{fd}", path, None, system.MS_BIND)
            os.close(fd)
        os.makedirs("/tmp/only-on-" + self.name)
        os.chdir("/")

    def _run_pmid(self, say):
        """Starts pmid, passes its "listening" line on, reaps, ends with pmid."""
        command = [self.run.tool("pmid"), "--listen", self.address, "--name", self.name, "--keys", self.keys,
                   "--log", self.log, "--log-level", self.log_level, *self.pmid_options]
        ids = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": self.directory, "LANG": "C.UTF-8"}
        errors = open(os.path.join(self.directory, "pmid.stderr"), "ab")
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd="/",
                                  env=environment, preexec_fn=system.die_with_parent, **ids)
        line = daemon.stdout.readline().decode(errors="replace")
        os.write(say, f"listening {line.strip()}\n".encode() if "listening" in line else
                 f"error pmid said {line!r}, {system.tail(errors.name, 3)}\n".encode())
        os.close(say)
        while True:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                break
            if pid == daemon.pid:
                with open(os.path.join(self.directory, "pmid.ended"), "w") as f:
                    f.write(str(os.waitstatus_to_exitcode(status)))
                break
        os._exit(0)

    # ---- watching

    def set_link(self, up):
        """Cuts the node's cable, or mends it. Only of nodes in namespaces."""
        _ip("link", "set", self.veth, "up" if up else "down")

    def slow_link(self, megabits):
        """What comes to the node comes at this rate."""
        subprocess.run(["tc", "qdisc", "replace", "dev", self.veth, "root", "tbf", "rate", f"{megabits}mbit", "burst", "512k", "latency", "100ms"],
                       check=True)

    def processes(self):
        """Everything in the node apart from its init, pmid and what pmid keeps ready: sessions, jails, guests."""
        if self.init is None:
            return []
        without = {p.pid for p in self.spares()}
        return [p for p in system.descendants(self.init, without) if p.pid != self.pid and not p.comm.startswith("e2e-node")]

    def spares(self):
        """Sessions that have no program yet; their jails are below them."""
        return [p for p in system.descendants(self.init) if p.ppid == self.pid and p.comm == SPARE]

    def is_well(self):
        return self.pid is not None and system.is_alive(self.pid)

    def how_ended(self):
        """None while pmid runs; else its exit status (negative: signal) and the last words."""
        if self.is_well():
            return None
        try:
            with open(os.path.join(self.directory, "pmid.ended")) as f:
                status = f.read()
        except OSError:
            status = "?"
        return f"pmid of {self.name} ended with {status}: {system.tail(os.path.join(self.directory, 'pmid.stderr'), 3)}"

    def log_since(self, offset, lines=30):
        try:
            with open(self.log, "rb") as f:
                f.seek(offset)
                return "\n".join(f.read().decode(errors="replace").splitlines()[-lines:])
        except OSError as e:
            return f"({e})"

    def log_size(self):
        try:
            return os.path.getsize(self.log)
        except OSError:
            return 0

    # ---- ending

    def stop(self):
        """Gently first: pmid gets a SIGTERM; whatever is left after 2 s is killed by PID."""
        if self.init is None or os.getpid() != self.owner:
            return
        if self.pid and system.is_alive(self.pid):
            try:
                os.kill(self.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            end = time.monotonic() + 2
            while system.is_alive(self.pid) and time.monotonic() < end:
                time.sleep(0.01)
        left = [p.pid for p in system.descendants(self.init)] + [self.init]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.waitpid(self.init, 0)
        except ChildProcessError:
            pass
        self.init = self.pid = None

    def kill(self):
        """As a machine that loses power: everything at once."""
        for process in system.descendants(self.init):
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class OtherNode:
    """A node on a machine of its own, which was there before and stays: what goes on there can't be seen from here."""

    def __init__(self, address):
        self.name, self.address, self.init = address.split(":")[0], address, None

    def is_well(self):
        return True

    def how_ended(self):
        return None

    def processes(self):
        return []

    def log_size(self):
        return 0

    def log_since(self, offset, lines=30):
        return "(on another machine)"

    def start(self):
        pass

    stop = start


def make(run, index, number, **options):
    """The node for a test's place `index` (0, 1): one that runs elsewhere if such were given, else a new one."""
    return OtherNode(run.others[index]) if index < len(run.others) else Node(run, number, **options)


def add_options(parser):
    parser.add_argument("--node", action="append", default=[], metavar="HOST:PORT",
                        help="a node that runs already, on another machine, instead of one made here; may be repeated")
    parser.add_argument("--keys", metavar="DIR", help="key directory that home shares with such nodes")


def _free_port():
    import socket
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


if __name__ == "__main__":  # a look at two nodes: nodes.py BUILD [namespace|plain]
    import sys
    system.become_subreaper()
    with Run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "auto") as run:
        with Node(run, 1) as a, Node(run, 2) as b:
            for node in (a, b):
                print(node.name, node.address, node.pid, system.tail(node.log, 2))
                print(subprocess.run([run.tool("pmictl"), "--keys", run.keys, "ping", node.address], text=True,
                                     capture_output=True, timeout=20))

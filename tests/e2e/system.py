"""What the tests need of the kernel: subreaper, namespaces, the tree of processes under us, ending it by PID."""

import ctypes
import os
import signal
import socket
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWTIME = 0x20000000, 0x40000000, 0x00000080
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8


def _checked(result, what):
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def prctl(option, value):
    _checked(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def become_subreaper():
    """Orphans of the tests come to us: PID 1 of some machines reaps lazily, and dead children keep their numbers."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent():
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def set_name(name):
    _checked(libc.prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()), 0, 0, 0), "prctl PR_SET_NAME")


def unshare(flags):
    _checked(libc.unshare(flags), f"unshare {flags:#x}")


def mount(source, target, kind, flags, data=""):
    encode = lambda text: None if text is None else os.fsencode(text)
    _checked(libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)),
             f"mount {source} on {target}")


def loopback_up():
    """Brings lo up in this network namespace, without calling ip."""
    SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
    import fcntl
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


class Process:
    """One line of /proc/PID/stat: what is needed of it."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", "rb") as f:
            text = f.read().decode(errors="replace")
        self.pid = pid
        self.comm = text[text.index("(") + 1:text.rindex(")")]
        rest = text[text.rindex(")") + 2:].split()
        self.state, self.ppid, self.pgid, self.sid = rest[0], int(rest[1]), int(rest[2]), int(rest[3])
        self.start = int(rest[19])

    def __str__(self):
        try:
            with open(f"/proc/{self.pid}/wchan") as f:
                wchan = f.read()
        except OSError:
            wchan = "?"
        return f"{self.comm}[{self.pid}] state {self.state} in {wchan}"


def look_at(pid):
    try:
        return Process(pid)
    except (OSError, ValueError):
        return None


def all_processes():
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = look_at(int(name))
            if process:
                found.append(process)
    return found


def descendants(root, without=()):
    """Every process below `root`, its zombies too; not those below a PID of `without`."""
    children = {}
    for process in all_processes():
        children.setdefault(process.ppid, []).append(process)
    found, todo = [], [root]
    while todo:
        for child in children.get(todo.pop(), []):
            if child.pid not in without:
                found.append(child)
                todo.append(child.pid)
    return found


def reap(without=()):
    """Reaps dead children of ours that were adopted; `without`: those that somebody else waits for."""
    me = os.getpid()
    for process in all_processes():
        if process.ppid == me and process.state == "Z" and process.pid not in without:
            try:
                os.waitpid(process.pid, os.WNOHANG)
            except ChildProcessError:
                pass


def kill_descendants(root, without=(), within=5.0):
    """Ends every process below `root` by PID, until none is left. Gives those that wouldn't go."""
    end = time.monotonic() + within
    while True:
        left = [p for p in descendants(root, without) if p.state not in "ZX"]
        for process in left:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not left or time.monotonic() > end:
            if root == os.getpid():
                reap(without)
            return left
        time.sleep(0.02)


def is_alive(pid):
    process = look_at(pid)
    if process is not None and process.state == "Z":  # a leader that ended before its threads
        try:
            return len(os.listdir(f"/proc/{pid}/task")) > 1
        except OSError:
            return False
    return process is not None and process.state != "X"


def tail(path, lines=25):
    try:
        with open(path, "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 64 * 1024))
            return "\n".join(f.read().decode(errors="replace").splitlines()[-lines:])
    except OSError as e:
        return f"({e})"


def inherit_default_signals():
    """Programs under test start with default dispositions, whatever the shell that runs us ignores: a handler ends at
    exec, SIG_IGN wouldn't."""
    for number in signal.valid_signals():
        if number != signal.SIGPIPE and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

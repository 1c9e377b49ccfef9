"""Full-screen programs and terminals."""

import os
import pty
import select
import subprocess
import sys
import termios
import threading
import time

import system
from case import Failed, compare, wait_for
from driver import HOME, Job


class Screen:
    """tmux with one pane that runs `command`."""

    def __init__(self, c, name, command):
        self.c, self.tmux, self.socket = c, c.need("tmux"), c.path(name + ".tmux")
        self.run("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-s", "s", " ".join(["exec", *command]))
        self.pid = int(self.run("display", "-p", "-t", "s", "#{pane_pid}"))
        self.server = int(self.run("display", "-p", "-t", "s", "#{pid}"))

    def run(self, *args):
        done = subprocess.run([self.tmux, "-S", self.socket, *args], capture_output=True, text=True, timeout=20,
                              env={**self.c.environment, "TERM": "xterm"}, cwd=self.c.directory)
        if done.returncode != 0:
            raise Failed(f"tmux {args[0]}: {done.stderr.strip()}")
        return done.stdout

    def type(self, *keys):
        self.run("send-keys", "-t", "s", *keys)

    def shown(self):
        return self.run("capture-pane", "-p", "-t", "s")

    def settle(self, quiet=0.4, within=20):
        """The screen once it hasn't changed for `quiet` seconds."""
        last, since, end = self.shown(), time.monotonic(), time.monotonic() + within
        while time.monotonic() - since < quiet and time.monotonic() < end:
            time.sleep(0.05)
            now = self.shown()
            if now != last:
                last, since = now, time.monotonic()
        return last

    def close(self):
        try:
            self.run("kill-server")
        except Failed:
            pass


class PaneJob(Job):
    """A job that tmux started: the pane's process is pmirun's."""

    def __init__(self, c, directory, pid, tmux_server):  # pylint: disable=super-init-not-called
        self.run, self.directory, self.nodes, self.timeout = c.run, directory, c.nodes, c.options.command_timeout
        self.without = {n.init for n in c.nodes} | {tmux_server}
        self.log, self.control = os.path.join(directory, "supervisor.log"), os.path.join(directory, "control")
        self.ids, self.environment = {}, {**c.environment, "XDG_RUNTIME_DIR": directory}
        self.stdout_path, self.stderr_path = os.path.join(directory, "stdout"), os.path.join(directory, "stderr")
        self.moves, self.lock, self.pid = 0, threading.Lock(), pid
        self.node_log_sizes = {n.name: n.log_size() for n in c.nodes}
        self.process, self.started = None, time.monotonic()

    def is_running(self):
        return system.is_alive(self.pid)

    def end(self):
        pass


def full_screen(c, program, script, prepare=lambda: None):
    """Runs `script(screen, between)` on an unmoved and a moved program and compares what it saw; between() moves.
    prepare() is called before each."""
    prepare()
    plain = Screen(c, "plain", program)
    try:
        expected = script(plain, lambda: None)
    finally:
        plain.close()
    prepare()
    directory = c.path("pane")
    os.mkdir(directory, 0o700)
    screen = Screen(c, "moved", [c.run.tool("pmirun"), "--control", f"{directory}/control", "--keys", c.run.keys, "--log",
                                 f"{directory}/supervisor.log", "--log-level", "debug", "--", *program])
    job = PaneJob(c, directory, screen.pid, screen.server)
    c.jobs.append(job)

    def move():
        if job.where(job.pid) == HOME:
            job.migrate(job.pid, c.nodes[0])
        else:
            job.home(job.pid)
        c.moves += 1
    try:
        wait_for(lambda: os.path.exists(job.control), "the job has a control socket")
        got = script(screen, move)
        wait_for(lambda: not system.is_alive(job.pid), "the program ends")
    finally:
        screen.close()
    for n, (a, b) in enumerate(zip(got, expected)):
        compare(a.encode(), b.encode(), f"screen {n}")


def case_vim(c):
    vim = c.need("vim", "tmux")[0]
    def prepare():
        c.write("text", "".join(f"line {i} of the text to edit\n" for i in range(60)))

    def script(screen, move):
        seen = []
        screen.settle()
        for i in range(6):
            move()
            screen.type("o", f"inserted {i}", "Escape")
            move()
            screen.type("10j", "dd", "u", "x")
            seen.append(screen.settle())
        screen.type(":%s/line/LINE/", "Enter")
        seen.append(screen.settle())
        screen.run("resize-window", "-t", "s", "-x", "70", "-y", "20")
        seen.append(screen.settle())
        screen.type(":wq", "Enter")
        wait_for(lambda: not system.is_alive(screen.pid), "vim ends", 10)
        seen.append(open(c.path("text")).read())
        return seen
    full_screen(c, [vim, "-u", "NONE", "-n", "-N", c.path("text")], script, prepare)


def case_less(c):
    less = c.need("less", "tmux")[0]
    c.write("text", "".join(f"{i} squared is {i * i}\n" for i in range(5000)))

    def script(screen, move):
        seen = []
        for keys in (["Space"], ["Space"], ["/", "1234 ", "Enter"], ["G"], ["g"], ["5", "0", "%"], ["k"], ["d"], ["u"], ["-", "N", "Enter"]):
            move()
            screen.type(*keys)
            seen.append(screen.settle())
        screen.type("q")
        return seen
    full_screen(c, [less, c.path("text")], script)


def case_pty(c):
    """As under sshd: a shell on a pty of its own, job control, ^C, ^Z, a window that changes its size."""
    c.need("bash")

    def session(start, move):
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        process = start(slave)
        os.close(slave)
        unread = b""

        def read_until(text, within=20):
            nonlocal unread
            end = time.monotonic() + within
            while text not in unread:
                if time.monotonic() > end:
                    raise Failed(f"the terminal never said {text!r}, but {unread[-300:]!r}")
                if select.select([master], [], [], 0.1)[0]:
                    try:
                        unread += os.read(master, 4096)
                    except OSError:
                        raise Failed(f"the terminal was closed before it said {text!r}: {unread[-300:]!r}") from None
            unread = unread[unread.index(text) + len(text):]

        def say(text):
            os.write(master, text)
        read_until(b"$ ")
        for i in range(5):
            move(process)
            say(b"echo $((%d * 111)) | rev; echo END-$?\n" % i)
            read_until(b"END-0")
            read_until(b"$ ")
        say(b"sleep 100\n")
        read_until(b"sleep 100")
        time.sleep(0.5)
        move(process)
        say(b"\x03")
        read_until(b"$ ")
        say(b"echo st=$?\n")
        read_until(b"st=130")
        read_until(b"$ ")
        move(process)
        say(b"cat > /dev/null\n")
        read_until(b"/dev/null")
        time.sleep(0.5)
        say(b"\x1a")
        read_until(b"Stopped")
        read_until(b"$ ")
        move(process)
        say(b"fg\n")
        read_until(b"null")
        time.sleep(0.3)
        say(b"\x04")
        read_until(b"$ ")
        termios.tcsetwinsize(master, (30, 100))
        move(process)
        say(b"stty size; tty > /dev/null && echo a tty\n")
        read_until(b"30 100")
        read_until(b"a tty\r\n")
        say(b"exit 3\n")
        status = process.wait(20)
        os.close(master)
        if status != 3:
            raise Failed(f"status {status}, not 3")

    own = {**c.environment, "PS1": "$ ", "TERM": "dumb", "HISTFILE": ""}
    controlling = "import fcntl,os,sys,termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"]

    def plain(slave):
        return subprocess.Popen([sys.executable, "-c", controlling, *shell], stdin=slave, stdout=slave, stderr=slave, env=own,
                                cwd=c.directory)
    session(plain, lambda process: None)
    directory = c.path("job0")
    os.mkdir(directory, 0o700)
    jobs = []

    def under_pmirun(slave):
        command = [sys.executable, "-c", controlling, c.run.tool("pmirun"), "--control", f"{directory}/control", "--keys", c.run.keys,
                   "--log", f"{directory}/supervisor.log", "--log-level", "debug", "--", *shell]
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env={**own, "XDG_RUNTIME_DIR": directory},
                                   cwd=c.directory)
        job = PaneJob(c, directory, process.pid, 0)
        job.process = process
        jobs.append(job)
        c.jobs.append(job)
        return process

    def move(process):
        job = jobs[0]
        for _ in range(2):
            if job.where(job.pid) == HOME:
                job.migrate(job.pid, c.nodes[0])
            else:
                job.home(job.pid)
            c.moves += 1
    session(under_pmirun, move)
    left = jobs[0].leftovers()
    if left:
        raise Failed("; ".join(left[:4]))

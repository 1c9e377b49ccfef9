"""Control sockets, and their directories."""

import functools
import os
import signal
import socket
import threading

from bad_input_cases.tester import LAUNCHER, Failed, at_once, write
from driver import HOME


def case_control_paths(t):
    directory = t.fresh("control")
    none, file, stale = f"{directory}/none", write(f"{directory}/file", ""), f"{directory}/stale"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stale)
    for command in (["ps"], ["where", t.pid], ["home", t.pid], ["migrate", t.pid, t.node.address]):
        t.fails("pmictl", "--control", none, *command, says=(none, "No such file"))
        t.fails("pmictl", "--control", file, *command, says=(file,))
        t.fails("pmictl", "--control", directory, *command, says=(directory,))
        t.fails("pmictl", "--control", stale, *command, says=(stale, "no supervisor listens there any more"))
        t.fails("pmictl", "--control", "", *command, says="control")


def case_control_socket_stale(t):
    """One whose supervisor was killed doesn't disturb the others, nor a new job with the same path."""
    stale = f"{t.directory}/pmi/1-stale.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stale)
    os.utime(stale, (1, 1))
    if f" {t.pid} " not in f" {t.works('pmictl', 'ps')}".replace("\n", " "):
        raise Failed("ps doesn't list the program")
    if os.path.exists(stale):
        raise Failed("a stale socket is left where it is")
    path = f"{t.fresh('again')}/socket"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    t.works("pmirun", "--control", path, "true")


def case_control_socket_of_something_else(t):
    """It answers nonsense, or never."""
    directory = t.fresh("other")

    def serve(name, answer):
        s = socket.socket(socket.AF_UNIX)
        s.bind(f"{directory}/{name}")
        s.listen(8)

        def run():
            while True:
                try:
                    connection, _ = s.accept()
                except OSError:
                    return
                connection.recv(1000)
                if answer is None:
                    kept.append(connection)
                    continue
                connection.sendall(answer)
                connection.close()
        threading.Thread(target=run, daemon=True).start()
        return s
    kept = []
    served = [serve("nonsense", b"what?\n"), serve("array", b"[1, 2]\n"), serve("ends", b""), serve("silent", None)]
    at_once(*(functools.partial(t.fails, "pmictl", "--control", f"{directory}/{name}", *command,
                                says=(f"{directory}/{name}", says))
              for command in (["ps"], ["where", t.pid], ["migrate", t.pid, t.node.address])
              for name, says in (("nonsense", "makes no sense"), ("array", "makes no sense"), ("ends", "ended"),
                                 ("silent", "doesn't answer"))))
    for s in served:
        s.close()


def case_supervisor_stands_still(t):
    """A supervisor that doesn't answer makes pmictl say so, not wait for ever; and go on once it does."""
    job = t.another_job(4)
    supervisor = next(p.pid for p in job.processes() if p.comm == "pmi-supervisor" and job.control in
                      open(f"/proc/{p.pid}/cmdline").read())
    os.kill(supervisor, signal.SIGSTOP)
    try:
        at_once(*(functools.partial(t.fails, "pmictl", "--control", job.control, *command,
                                    says=(job.control, "doesn't answer"))
                  for command in (["where", job.pid], ["home", job.pid], ["migrate", job.pid, t.node.address])))
    finally:
        os.kill(supervisor, signal.SIGCONT)
    if job.where(job.pid) != HOME:
        raise Failed("the program has moved")
    t.end_job(job)


def case_control_directory(t):
    """Open to others, somebody else's, a link, a file: nobody puts a socket there, nor believes what is there."""
    def refused(path, *says):
        runtime = os.path.dirname(path)
        t.fails("pmirun", "true", status=LAUNCHER, says=(path, *says), XDG_RUNTIME_DIR=runtime)
        t.fails("pmictl", "where", t.pid, says=(path, *says), XDG_RUNTIME_DIR=runtime)
        t.fails("pmictl", "ps", says=(path, *says), XDG_RUNTIME_DIR=runtime)
    path = f"{t.fresh('open')}/pmi"
    os.mkdir(path)
    os.chmod(path, 0o755)
    refused(path, "open to other users")
    path = f"{t.fresh('file')}/pmi"
    write(path, "")
    refused(path, "not a directory")
    path = f"{t.fresh('link')}/pmi"
    os.symlink(t.directory, path)
    refused(path, "not a directory")
    if os.geteuid() == 0:
        path = f"{t.fresh('other')}/pmi"
        os.mkdir(path, 0o700)
        os.chown(path, 65533, 65533)
        refused(path, "belongs to user 65533")
    else:
        path = f"{t.fresh('unwritable')}/pmi"
        os.chmod(os.path.dirname(path), 0o500)
        t.fails("pmirun", "true", status=LAUNCHER, says=(path, "Permission denied"), XDG_RUNTIME_DIR=os.path.dirname(path))

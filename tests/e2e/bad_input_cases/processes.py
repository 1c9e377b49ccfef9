"""PIDs, and moves that make no sense."""

import os
import signal
import threading

from bad_input_cases.tester import Failed
from driver import HOME, CommandError


def case_no_such_process(t):
    free = next(pid for pid in range(30000, 1, -1) if not os.path.exists(f"/proc/{pid}"))
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
    thread = next(int(tid) for tid in os.listdir(f"/proc/{t.pid}/task") if int(tid) != t.pid)
    for command in (["where"], ["home"], ["cancel"], ["migrate"]):
        more = [t.node.address] if command == ["migrate"] else []
        t.fails("pmictl", *command, free, *more, says=f"no process {free}")
        t.fails("pmictl", *command, os.getpid(), *more, says=(str(os.getpid()), "belongs to no job"))
        t.fails("pmictl", *command, 1, *more, says="process 1 belongs to no job")
        t.fails("pmictl", *command, thread, *more, says=f"{thread} is a thread of process {t.pid}")
        t.fails("pmictl", *command, zombie, *more, says=f"process {zombie} has ended")
        t.fails("pmictl", "--control", t.witness.control, *command, os.getpid(), *more, says=str(os.getpid()))
    os.waitpid(zombie, 0)


def case_asked_for_before_it_started(t):
    """`pmirun ./app & pmictl migrate $!`: that process may not even be pmirun yet."""
    job = t.another_job(1, started=False, wrapped=["sh", "-c", 'sleep 0.3; exec "$@"', "sh"])
    job.migrate(job.pid, t.node)
    if job.where(job.pid) == HOME:
        raise Failed("it is at home")
    t.end_job(job)


def case_moves_that_make_no_sense(t):
    t.wont_move_to("home", "home is no node")
    t.fails("pmictl", "cancel", t.pid, says=(str(t.pid), "no move under way"))
    if "already at home" not in t.works("pmictl", "home", t.pid):
        raise Failed("pmictl home of a program at home doesn't say so")
    t.works("pmictl", "migrate", t.pid, t.node.address)
    t.fails("pmictl", "migrate", t.pid, t.node.address, says=(str(t.pid), "already runs on"))
    t.works("pmictl", "home", t.pid)


def case_steered_to_nowhere(t):
    """--away and the signal to a node that there isn't: the program stays, and says so where it was --away."""
    for node, says in (("a b", "a b"), ("nosuchhost.invalid", "nosuchhost.invalid"), ("127.0.0.1:1", "Connection refused")):
        job = t.another_job(1, "--away", "--node", node)
        t.wait_for(lambda: says in job.errors(), f"--away to {node!r} says {says!r}")
        lines = job.errors().splitlines()
        if len(lines) != 1 or "stays at home" not in lines[0]:
            raise Failed(f"--away to {node!r}: {lines}")
        t.end_job(job)
        job = t.another_job(1, "--node", node)
        os.kill(job.pid, signal.SIGRTMAX - 1)
        t.wait_for(lambda: says in job.row(job.pid).get("last_error", ""), f"ps says why it didn't go to {node!r}")
        if job.errors() or job.where(job.pid) != HOME:
            raise Failed(f"a signal to go to {node!r}: {job.errors()!r}")
        t.end_job(job)


def case_second_move(t):
    """While one is under way: the second is refused, the first is not disturbed."""
    job = t.another_job(300)
    first, ended = [], threading.Event()

    def move():
        try:
            first.append(job.migrate(job.pid, t.node))
        except CommandError as e:
            first.append(e)
        ended.set()
    refused = []
    try:
        while not refused:
            ended.clear(), first.clear()
            threading.Thread(target=move, daemon=True).start()
            while not ended.is_set() and not job.row(job.pid).get("moving_to"):
                pass
            for attempt in (lambda: job.migrate(job.pid, t.node), lambda: job.home(job.pid)):
                try:
                    attempt()
                except CommandError as e:
                    refused.append(str(e))
            if not ended.wait(60) or isinstance(first[0], Exception):
                raise Failed(f"the first move: {first or 'no answer'}")
            if job.where(job.pid) != HOME:
                job.home(job.pid)
            refused = [text for text in refused if "already runs on" not in text]
        if any("already under way" not in text for text in refused):
            raise Failed(f"{refused}")
        if not job.is_running():
            raise Failed(f"the program has ended: {job.errors()}")
    finally:
        t.end_job(job)

"""The order of signals and moves: LinuxPMI's own test."""

import os
import signal
import time

import system
from case import HERE, Failed, wait_for


def signal_order(c, argument, which):
    c.need_root()  # who asks is not the program's user, whose signals may not come back
    program = c.compile(os.path.join(HERE, "guests", "signal_answer.c"))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    for round_trip in range(4):
        job = c.start([program, *argument])
        line = wait_for(lambda: job.output().split("\n")[0] if "\n" in job.output() else None, "the PIDs")
        own, child = map(int, line.split())
        pids = [own] + ([child] if child > 0 else [])
        movers = {"own": [own], "child": [child], "both": pids}[which]
        sent = {pid: 0 for pid in pids}
        answers = {pid: 0 for pid in pids}

        def signals(when):
            for pid in pids:
                os.kill(pid, signal.SIGUSR1)
                sent[pid] += 1
                end = time.monotonic() + 10
                while answers[pid] < sent[pid]:
                    info = signal.sigtimedwait([signal.SIGUSR2], max(0, end - time.monotonic()))
                    if info is None:
                        raise Failed(f"round {round_trip}, {when}: no signal back from {pid}\n" + "\n".join(map(str, job.processes())))
                    answers[info.si_pid] += 1
                time.sleep(0.03)
        for trip in range(3):
            signals(f"trip {trip}, at home")
            for pid in movers:
                job.migrate(pid, c.nodes[0])
            signals(f"trip {trip}, away")
            signals(f"trip {trip}, away again")
            for pid in movers:
                job.home(pid)
            c.moves += 2 * len(movers)
        signals("at the end")
        if round_trip % 2 and movers == pids:  # the end comes while away, every other time
            for pid in movers:
                job.migrate(pid, c.nodes[0])
        if child > 0:
            os.kill(child, signal.SIGTERM)
            wait_for(lambda: not system.is_alive(child), "the child ends")
        os.kill(own, signal.SIGTERM)
        c.finish(job, None, status=sent[own])
        if any(answers[pid] != sent[pid] for pid in pids):
            raise Failed(f"sent {sent}, answered {answers}")
        if child > 0 and f"child {sent[child]}\n" not in job.output():
            raise Failed(f"the child's status: {job.output()!r}, not {sent[child]}")


def case_signal_order_plain(c):
    signal_order(c, [], "own")


def case_signal_order_child(c):
    signal_order(c, ["child"], "child")


def case_signal_order_parent(c):
    signal_order(c, ["child"], "own")


def case_signal_order_both(c):
    signal_order(c, ["child"], "both")

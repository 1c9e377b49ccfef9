"""The project's samples, 20 round trips each, and the exactly-once storm."""

import os
import re

from case import HERE, Failed


def sample(c, name, *args, options=lambda seconds: ["--seconds", str(seconds)]):
    program = c.sample(name)
    out = c.moved_often(lambda seconds: [program, *options(seconds), *args], 2 * c.options.round_trips, pause=(0.01, 0.12)).decode()
    if "ok" not in out.rstrip().rsplit("\n", 1)[-1]:
        raise Failed(f"the last line: {out[-200:]!r}")


def case_sample_counter(c):
    sample(c, "counter", options=lambda seconds: ["--count", str(seconds * 20), "--interval", "50"])


def case_sample_matrix(c):
    sample(c, "matrix")


def case_sample_memory_walker(c):
    sample(c, "memory_walker", "--mib", "16")


def case_sample_tcp_echo(c):
    sample(c, "tcp_echo")


def case_sample_file_writer(c):
    sample(c, "file_writer")


def case_sample_threads(c):
    sample(c, "threads")


def case_sample_pipeline(c):
    sample(c, "pipeline")


def case_sample_signal_echo(c):
    sample(c, "signal_echo")


def case_sample_fork_tree(c):
    sample(c, "fork_tree")


def case_sample_clock_watch(c):
    sample(c, "clock_watch")


def case_sample_itinerary(c):
    """Moved by itself, through pmi.h, and by nobody else."""
    job = c.start([c.sample("itinerary"), "--seconds", "6", "--tour", c.nodes[0].address])
    out = c.finish(job, None).decode()
    told = re.search(r"told of (\d+) moves\nitinerary: ok\n$", out)
    if told is None or int(told[1]) < 4:
        raise Failed(f"output {out[-300:]!r}")


def case_storm(c):
    """Exactly once: files, pipes and signals under constant moves of everything."""
    program = c.compile(os.path.join(HERE, "guests", "storm.c"))
    out = c.moved_often(lambda seconds: [program, str(seconds), c.path("lines")], 2 * c.options.round_trips, pause=(0.005, 0.08))
    if b"pipe ok" not in out or b"storm: ok" not in out:
        raise Failed(f"output {out!r}")
    c.notes.append(f"{sum(1 for _ in open(c.path('lines'), 'rb'))} lines")

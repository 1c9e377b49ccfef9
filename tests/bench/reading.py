"""A program that is away reads a file of home's: against the same bytes over plain TCP."""

import os

from away import CALLS, Link, Resident
from measure import Row, compare, take_turns

BANDWIDTH = 0.6  # of plain TCP's
BYTES = 1 << 30
BLOCK = 1 << 20
SMALL = 4096
NAMES = ["read-1m", "read-4k"]


def reading(run, node, programs, repeat, names):
    path = os.path.join(run.directory, "read")
    with open(path, "wb") as f:
        for _ in range(BYTES // BLOCK):
            f.write(os.urandom(BLOCK))
    try:
        with Link(run, node, programs) as link, Resident(run, node, programs) as away:
            away.leave()
            rows = []
            if "read-1m" in names:
                rows += _large(link, away, path, repeat)
            if "read-4k" in names:
                away.talk.ask(f"read {BLOCK} {path}")  # opens it
                rows += _small(link, away, repeat)
            return rows
    finally:
        os.unlink(path)


def _large(link, away, path, repeat):
    client = link.client("fetch", "node", BYTES)
    got = take_turns({"tcp": client.number, "away": lambda: away.talk.number(f"read {BLOCK} {path}")}, repeat)
    client.end()
    return [compare("1 GiB in blocks of 1 MiB / TCP in clear", "ms", got, "away", "tcp", inverse=True, at_least=BANDWIDTH)]


def _small(link, away, repeat):
    def ping():
        return [float(word) / 1000 for word in link.ping("node", CALLS, SMALL).split()]

    got = take_turns({"tcp": ping, "away": lambda: [float(word) / 1000 for word in away.talk.ask(f"call read {CALLS}").split()],
                      "again": ping}, repeat)
    p50 = {side: [v[0] for v in values] for side, values in got.items()}
    return [compare("pread of 4 KiB / TCP round trip, p50", "us", p50, "away", "tcp", "again", note="goal: <= 1.8 x")]

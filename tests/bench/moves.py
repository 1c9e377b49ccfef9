"""Moves of a program with so much memory, out and home, against a copy of as much memory over plain TCP: from anonymous
memory into fresh anonymous memory. Random bytes, so that nothing can be left out or compressed."""

import os
import statistics

from away import Link, Resident
from measure import BenchError, Row, ratio

SIZES = {"move-4m": 4 << 20, "move-64m": 64 << 20, "move-1g": 1 << 30}


def size_name(size):
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"


def move(run, node, programs, repeat, size, options=()):
    got = {key: [] for key in ("raw out", "out", "out frozen", "raw home", "home", "home frozen", "bytes")}

    def keep(way, answer):
        got[way].append(answer["total_us"] / 1000)
        got[f"{way} frozen"].append(answer["frozen_us"] / 1000)
        got["bytes"].append(answer["bytes"])

    with Link(run, node, programs) as link, Resident(run, node, programs, options) as program:
        sums = {program.talk.ask(f"fill {size}")}
        clients = {"out": link.client("copy", "home", size), "home": link.client("copy", "node", size)}
        moves = {"out": program.leave, "home": program.come_home}
        for n in range(repeat + 1):
            for way in ("out", "home"):
                steps = [lambda way=way: got[f"raw {way}"].append(clients[way].number()),
                         lambda way=way: keep(way, moves[way]())]
                for step in steps if n % 2 else reversed(steps):
                    step()
                sums.add(program.talk.ask("check"))  # touches it all, as a program would
        for client in clients.values():
            client.end()
    if len(sums) != 1:
        raise BenchError(f"the memory changed on its way: {sums}")
    got = {key: values[1:] for key, values in got.items()}  # the first ones warmed up
    link_kind = "in clear" if "--insecure" in options else "encrypted"
    return [Row(f"{size_name(size)} {way}, {link_kind} / raw, clear", "ms", statistics.median(got[f"raw {way}"]),
                statistics.median(got[way]), ratio(got[way], got[f"raw {way}"]),
                note=f"frozen {statistics.median(got[f'{way} frozen']):.1f} ms", more={"values": got}) for way in ("out", "home")]

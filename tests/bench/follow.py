"""Memory that follows a program which runs on the node already (pmictl migrate --mode postcopy): how long until all of it is
there, against a copy of as much memory over plain TCP; how long a page takes that the program touches before it has come, while
all the others are on their way, against a round trip of plain TCP on an idle link."""

import json
import socket
import statistics
import time

from away import Link, Resident
from measure import BenchError, Row, ratio
from moves import size_name

SIZES = {"follow-1g": 1 << 30, "follow-4g": 4 << 30}
BY_HAND = ["follow-4g"]
TOUCHES = 400
PINGS = 2000


def is_on_its_way(job):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(job.control)
        s.sendall(b'{"op":"ps"}\n')
        rows = json.loads(s.makefile().readline())["processes"]
    return any("post_copy" in row for row in rows)


def leave(program, size):
    """Seconds at its beginning, and pmictl's figures."""
    began = time.monotonic()
    answer = program.job.migrate(program.job.pid, program.node, mode="postcopy")
    if answer["mode"] != "postcopy" or answer["later_pages"] * 4096 < size:
        raise BenchError(f"no memory follows: {answer}")
    return began, answer


def wait_until_there(program):
    while is_on_its_way(program.job):
        time.sleep(0.005)


def follow(run, node, programs, repeat, size, options=()):
    got = {key: [] for key in ("raw", "there", "running", "frozen", "ping", "page", "page p99", "waited")}
    with Link(run, node, programs) as link, Resident(run, node, programs, options) as program:
        sums = {program.talk.ask(f"fill {size}")}
        client = link.client("copy", "home", size)
        for n in range(repeat + 1):
            got["raw"].append(client.number())
            began, answer = leave(program, size)
            got["running"].append((time.monotonic() - began) * 1000)
            wait_until_there(program)
            got["there"].append((time.monotonic() - began) * 1000)
            got["frozen"].append(answer["frozen_us"] / 1000)
            program.come_home()
            got["ping"].append(float(link.ping("node", PINGS).split()[0]) / 1000)
            leave(program, size)
            waited, p50, p99 = map(float, program.talk.ask(f"touch {TOUCHES}").split())
            if not is_on_its_way(program.job):
                raise BenchError("all pages were there before they had been touched")
            got["page"].append(p50 / 1000)
            got["page p99"].append(p99 / 1000)
            got["waited"].append(waited)
            sums.add(program.talk.ask("check"))
            wait_until_there(program)
            program.come_home()
        client.end()
    if len(sums) != 1:
        raise BenchError(f"the memory changed on its way: {sums}")
    got = {key: values[1:] for key, values in got.items()}  # the first ones warmed up
    middle = {key: statistics.median(values) for key, values in got.items()}
    return [Row(f"{size_name(size)} follows, all there / raw", "ms", middle["raw"], middle["there"], ratio(got["there"], got["raw"]), at_most=1.3,
                note=f"frozen {middle['frozen']:.1f} ms, running after {middle['running']:.0f} ms", more={"values": got}),
            Row("  page that is touched meanwhile / raw", "us", middle["ping"], middle["page"], ratio(got["page"], got["ping"]), at_most=3,
                note=f"p99 {middle['page p99']:.0f} us; waited for {middle['waited']:.0f} of {TOUCHES} pages")]

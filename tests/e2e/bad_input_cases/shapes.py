"""What --json prints, as docs/users-guide.md says."""

import json
import re

import nodes
from bad_input_cases.tester import Failed, write
from driver import HOME


def expect_members(value, **kinds):
    for name, kind in kinds.items():
        optional, name = name.startswith("_"), name.removeprefix("_")
        if name not in value and not optional:
            raise Failed(f"no {name!r} in {value}")
        if name in value and not isinstance(value[name], kind):
            raise Failed(f"{name!r} is {value[name]!r}")
    unknown = set(value) - {name.removeprefix("_") for name in kinds}
    if unknown:
        raise Failed(f"{unknown} in {value} isn't documented")


def case_json(t):
    def ask(*words):
        return json.loads(t.works("pmictl", *words, "--json"))
    none = type(None)
    row = {"pid": int, "job": str, "where": str, "state": str, "memory_kib": int, "threads": int, "moves": int, "calls": int,
           "returns": int, "command": str, "cantmove": (str, none), "_moving_to": str, "_return_reason": str,
           "_last_error": str, "_lost": str, "sites_patched": int, "sites_refused": int, "_post_copy": dict}
    move = {"pid": int, "where": str, "frozen_us": int, "stall_us": int, "total_us": int, "bytes": int, "pages": int, "zero_pages": int,
            "found_pages": int, "compressed_from": int, "compressed_to": int,
            "_moves": int, "_calls": int, "_returns": int, "_unfinished": bool, "_mode": str, "_rounds": int, "_later_pages": int}
    rows = ask("ps")
    if [r["pid"] for r in rows] != [t.pid]:
        raise Failed(f"ps: {rows}")
    expect_members(rows[0], **row)
    expect_members(ask("where", t.pid), pid=int, where=str, moving=bool, _moving_to=str, _last_error=str)
    expect_members(ask("home", t.pid), pid=int, where=str, already=bool)
    expect_members(ask("migrate", t.pid, t.node.address), **move)
    expect_members(ask("ps")[0], **row)
    if ask("where", t.pid)["where"] != t.node.address or t.works("pmictl", "where", t.pid).strip() != t.node.address:
        raise Failed("where")
    stats = ask("stats", t.pid)
    expect_members(stats, pid=int, where=str, moves=int, returns=int, calls=list)
    for call in stats["calls"]:
        expect_members(call, name=str, route=str, served=str, count=int, failed=int, total_us=float, mean_us=float,
                       slowest_us=float, travel_us=float, bytes_to_home=int, bytes_from_home=int)
    expect_members(ask("home", t.pid), **move)
    home = t.fresh("home")
    write(f"{home}/.config/pmi/pmi.toml", f"[nodes.there]\naddress = \"{t.node.address}\"\n[nodes.gone]\naddress = \"127.0.0.1:1\"\n")
    there, gone = [next(n for n in json.loads(t.works("pmictl", "nodes", "--json", HOME=home)) if n["name"] == name)
                   for name in ("there", "gone")]
    expect_members(there, name=str, address=str, state=str, node_name=str, version=str, load=(float, int), memory_available=int,
                   memory_total=int, cpus=int, cpu=str, kernel=str, guests=int, guests_max=int, dirty_tracking=bool,
                   post_copy=bool, guest_limits=dict)
    expect_members(there["guest_limits"], cgroups=str, error=str)
    expect_members(gone, name=str, address=str, state=str, error=str)
    table = t.works("pmictl", "nodes", HOME=home)
    if "gone" not in table or "down" not in table or "Connection refused" not in table:
        raise Failed(f"nodes: {table}")
    if not re.fullmatch(r"there \(\S+\): pmi \S+, protocol \d+, round trip \d+ us \(median of \d+\)\n",
                        t.works("pmictl", "ping", "there", HOME=home)):
        raise Failed(f"ping: {t.works('pmictl', 'ping', 'there', HOME=home)}")
    t.works("pmictl", "migrate", t.pid, t.node.address)
    t.works("pmictl", "home", t.pid)


def calls_of(t, job):
    done = json.loads(t.works("pmictl", "--control", job.control, "stats", job.pid, "--json"))
    return {(call["name"], call["served"]): call for call in done["calls"]}


def case_stats(t):
    """Calls are counted where they were made, and stay counted when the program is home."""
    job = t.another_job(4)
    t.works("pmictl", "--control", job.control, "migrate", job.pid, t.node.address)
    before = len(job.output_bytes())
    t.wait_for(lambda: len(job.output_bytes()) > before, "the program writes")
    away = calls_of(t, job)
    writes = away.get(("write", "home"))
    if writes is None or writes["count"] < 1 or writes["failed"] != 0 or writes["bytes_to_home"] < writes["count"]:
        raise Failed(f"away: {away}")
    if not 0 < writes["travel_us"] <= writes["total_us"] or writes["slowest_us"] > writes["total_us"]:
        raise Failed(f"away: {writes}")
    t.works("pmictl", "--control", job.control, "home", job.pid)
    home = calls_of(t, job)
    lines_away = home[("write", "home")]["count"]
    if lines_away < writes["count"] or lines_away > len(job.output_bytes()):
        raise Failed(f"home: {home}")
    t.wait_for(lambda: len(job.output_bytes()) > before + 100, "the program writes at home")
    if calls_of(t, job) != home:
        raise Failed("calls at home are counted")
    t.end_job(job)


def case_summary(t):
    """Of all processes of the job, behind the program's own output."""
    done = t.call("pmirun", "--summary", "sh", "-c", "echo out; echo err >&2; exit 3")
    if done.returncode != 3 or done.stdout != "out\n" or done.stderr != "err\npmi: sh: no process of it was away\n":
        raise Failed(f"at home: {done}")
    done = t.call("pmirun", "--summary", "--away", "--node", t.node.address, "sh", "-c", "sleep 2; exit 4", within=20)
    lines = done.stderr.splitlines()
    if done.returncode != 4 or not lines or not lines[0].startswith("pmi: sh: calls of its processes"):
        raise Failed(f"away: {done}")
    for name in ("wait4", "exit_group"):
        if not any(line.split()[-3:] and line.split()[-1] == name for line in lines):
            raise Failed(f"no {name} in {done.stderr}")
    if "calls went home" not in lines[-1]:
        raise Failed(f"the last line is {lines[-1]}")

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
           "_last_error": str, "_lost": str}
    move = {"pid": int, "where": str, "frozen_us": int, "total_us": int, "bytes": int, "pages": int, "zero_pages": int,
            "_moves": int, "_calls": int, "_returns": int, "_unfinished": bool, "_mode": str, "_rounds": int}
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
    expect_members(ask("home", t.pid), **move)
    home = t.fresh("home")
    write(f"{home}/.config/pmi/pmi.toml", f"[nodes.there]\naddress = \"{t.node.address}\"\n[nodes.gone]\naddress = \"127.0.0.1:1\"\n")
    there, gone = [next(n for n in json.loads(t.works("pmictl", "nodes", "--json", HOME=home)) if n["name"] == name)
                   for name in ("there", "gone")]
    expect_members(there, name=str, address=str, state=str, node_name=str, version=str, load=(float, int), memory_available=int,
                   memory_total=int, cpus=int, cpu=str, kernel=str, guests=int, guests_max=int, dirty_tracking=bool,
                   post_copy=bool)
    expect_members(gone, name=str, address=str, state=str, error=str)
    table = t.works("pmictl", "nodes", HOME=home)
    if "gone" not in table or "down" not in table or "Connection refused" not in table:
        raise Failed(f"nodes: {table}")
    if not re.fullmatch(r"there \(\S+\): pmi \S+, protocol \d+, round trip \d+ us \(median of \d+\)\n",
                        t.works("pmictl", "ping", "there", HOME=home)):
        raise Failed(f"ping: {t.works('pmictl', 'ping', 'there', HOME=home)}")
    t.works("pmictl", "migrate", t.pid, t.node.address)
    t.works("pmictl", "home", t.pid)

#!/usr/bin/env python3
"""Real programs end to end: each works while it (and what it starts) moves out and home, at random instants, at least
--moves times; its output is compared with an unmoved run's. Each case is a function case_NAME in
one of the modules of real/, or a stressor of stress-ng (stress_NAME):

  real_programs.py --list
  real_programs.py --match 'python*' --seed 5
  real_programs.py --match 'stress_sig*'

Each case runs in a process of its own, with nodes of its own. A case whose program isn't installed is skipped, with the
reason. expected_failures.txt applies, with the mode "real".
"""

import argparse
import fnmatch
import json
import os
import random
import select
import shutil
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nodes as nodes_module  # noqa: E402
import system  # noqa: E402
from case import HERE, Case, Failed, Skipped  # noqa: E402
from driver import CommandError  # noqa: E402
from real import all_cases  # noqa: E402
from run_programs import read_list, reason_for  # noqa: E402


def run_case(run, number, name, options, seed):
    """In a process of its own. Gives the result as a dictionary."""
    directory = os.path.join(run.directory, f"case-{number}-{name}")
    os.mkdir(directory, 0o755)
    if run.user is not None:
        os.chown(directory, run.user, run.user)
    mine, case = [], None
    begin = time.monotonic()
    result = {"verdict": "ok", "why": "", "details": ""}
    try:
        mine.append(nodes_module.make(run, 0, number + 1))
        case = Case(run, mine, directory, options, seed)
        all_cases()[name](case)
        for node in mine:
            if not node.is_well():
                raise Failed(node.how_ended())
    except Skipped as e:
        result.update(verdict="skip", why=str(e))
    except Exception as e:  # pylint: disable=broad-except
        text = str(e) if isinstance(e, (Failed, CommandError)) else f"{type(e).__name__}: {e}"
        result.update(verdict="FAIL", why=text)
        if case:
            result["details"] = case.describe_failure()
        if not isinstance(e, (Failed, CommandError)):
            result["details"] += "\n" + traceback.format_exc()
    result["seconds"] = time.monotonic() - begin
    if case:
        result["moves"], result["notes"] = case.moves + sum(m.done for m in case.movers), case.notes
        case.end()
    system.kill_descendants(os.getpid(), {n.init for n in mine})
    for node in mine:
        node.stop()
    if not options.keep_logs:
        shutil.rmtree(directory, ignore_errors=True)
    return result


def run_in_child(run, number, name, options, seed):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        system.die_with_parent()
        system.become_subreaper()
        system.inherit_default_signals()
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
        try:
            with os.fdopen(write, "w") as f:
                json.dump(run_case(run, number, name, options, seed), f)
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        os._exit(0)
    os.close(write)
    text, end = b"", time.monotonic() + 3 * options.timeout + 60
    while time.monotonic() < end:
        if select.select([read], [], [], 1)[0]:
            part = os.read(read, 1 << 16)
            if not part:
                break
            text += part
    os.close(read)
    if not text:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    system.kill_descendants(os.getpid())
    return json.loads(text) if text else {"verdict": "FAIL", "why": "the case hangs", "seconds": 0, "details": ""}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("PMI_BUILD", "build-dev"))
    parser.add_argument("--programs", help="folder that holds programs/ (default: BUILD/tests)")
    parser.add_argument("--match", action="append", help="glob of case names; may be given more than once")
    parser.add_argument("--skip", action="append", default=[])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--nodes", choices=("auto", "namespace", "plain"), default="auto")
    parser.add_argument("--pmirun-option", action="append", default=[], help="option for pmirun, such as --no-preload")
    nodes_module.add_options(parser)
    parser.add_argument("--user", type=int, help="run as this user (UID)")
    parser.add_argument("--same-clocks", action="store_true", help="nodes in namespaces have home's clocks")
    parser.add_argument("--mode", help="how memory moves: auto, stop, precopy (default: pmictl's own choice)")
    parser.add_argument("--moves", type=int, default=10, help="at least so many in a case")
    parser.add_argument("--round-trips", type=int, default=20, help="of a sample")
    parser.add_argument("--seconds", type=float, default=6, help="that clients work on a server")
    parser.add_argument("--sample-seconds", type=int, default=6,
                        help="how long a sample works at first; longer if the machine makes too few moves in it")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for a program")
    parser.add_argument("--command-timeout", type=float, default=30, help="seconds for a pmictl")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--keep-logs", action="store_true")
    parser.add_argument("--log-lines", type=int, default=30)
    parser.add_argument("--brief", action="store_true")
    options = parser.parse_args(arguments)
    options.programs = os.path.abspath(options.programs or os.path.join(options.build, "tests"))
    names = [n for n in all_cases() if any(fnmatch.fnmatchcase(n, g) for g in options.match or ["*"])
             and not any(fnmatch.fnmatchcase(n, g) for g in options.skip)]
    if options.list:
        for name in names:
            print(name)
        return 0
    if not names:
        print("nothing to run", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    system.become_subreaper()
    expected = read_list(os.path.join(HERE, "expected_failures.txt"), 3)
    bad, count = [], 0
    with nodes_module.Run(os.path.abspath(options.build), options.nodes, options.user, other_clocks=not options.same_clocks, others=options.node,
                          keys=options.keys) as run:
        print(f"# {len(names)} cases; nodes: {run.mode}; seed {options.seed}; in {run.directory}", flush=True)
        if options.keep_logs:
            open(os.path.join(run.directory, "keep"), "w").close()
        for number, name in enumerate(names * options.repeat):
            result = run_in_child(run, number, name, options, options.seed + number)
            why, verdict = reason_for(expected, "real", name), result["verdict"]
            if why and verdict == "FAIL":
                verdict = "expected"
            elif why and verdict == "ok" and not why.startswith("sometimes"):
                verdict = "UNEXPECTED"
            count += 1
            notes = "; ".join(filter(None, [result["why"], *result.get("notes", [])]))
            print(f"{verdict:10} {name:24} {result['seconds']:6.1f} s  moves {result.get('moves', 0):4}  {notes}", flush=True)
            if verdict == "FAIL" and result["details"] and not options.brief:
                print("    " + result["details"].replace("\n", "\n    "), flush=True)
            if verdict in ("FAIL", "UNEXPECTED"):
                bad.append((verdict, name, notes))
    print(f"\n{count} cases, {len(bad)} bad")
    for verdict, name, notes in bad:
        print(f"{verdict:10} {name:24} {notes[:160]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

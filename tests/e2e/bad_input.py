#!/usr/bin/env python3
"""What isn't as it should be: options, PIDs, nodes, keys, files, sockets. Each time a command has to say in one line on
stderr what failed, on what and why, end with the right status, within a bound, and leave the programs that run alone.
Each function case_NAME in bad_input_cases/ is one test; `--list` shows them.

  bad_input.py --build BUILD [--match GLOB] [--user UID]
"""

import argparse
import fnmatch
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import nodes
import system
from bad_input_cases import command_lines, configuration, control_sockets, keys, other_nodes, processes, shapes
from bad_input_cases.tester import Failed, Skipped, Tester
from driver import CommandError

PARTS = (command_lines, processes, other_nodes, control_sockets, configuration, keys, shapes)


def cases(glob):
    found = {name.removeprefix("case_"): f for part in PARTS for name, f in vars(part).items() if name.startswith("case_")}
    return {name: f for name, f in found.items() if fnmatch.fnmatchcase(name, glob)}


def run_case(tester, function):
    """Gives the verdict and why."""
    verdict, why = "ok", ""
    try:
        function(tester)
    except Skipped as e:
        verdict, why = "skip", str(e)
    except Failed as e:
        verdict, why = "FAIL", str(e)
    except Exception:  # pylint: disable=broad-except
        verdict, why = "FAIL", traceback.format_exc()
    try:
        tester.check_witness()
    except (Failed, CommandError) as e:
        verdict, why = "FAIL", f"{why}; afterwards: {e}"
    return verdict, why


def run_all(run, program, match):
    """Gives how many were bad. Another witness is made when one has ended."""
    bad, numbers = 0, itertools.count(1, 20)
    tester = Tester(run, program, next(numbers))
    try:
        for name, function in cases(match).items():
            begin = time.monotonic()
            verdict, why = run_case(tester, function)
            bad += verdict == "FAIL"
            print(f"{verdict:5} {name:40} {time.monotonic() - begin:6.2f} s  {why}", flush=True)
            if verdict == "FAIL" and not tester.witness.is_running():
                tester.close()
                tester = Tester(run, program, next(numbers))
    finally:
        tester.close()
        system.kill_descendants(os.getpid())
    return bad


def become(user, directory):
    """An ordinary user, to whom `directory` belongs."""
    for path in (directory, f"{directory}/bin"):
        os.chown(path, user, user)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def stage(build):
    """What is needed of the build and the sources, where everybody can read it."""
    directory = tempfile.mkdtemp(prefix=f"{nodes.PREFIX}{os.getpid()}-", dir="/tmp")
    os.chmod(directory, 0o755)
    shutil.copytree(f"{build}/bin", f"{directory}/bin")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guests", "checked_counter.c")
    subprocess.run(["cc", "-O1", "-pthread", "-o", f"{directory}/checked_counter", source], check=True)
    return directory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--match", default="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--user", type=int, help="run as this user (UID)")
    parser.add_argument("--nodes", default="auto", choices=("auto", "namespace", "plain"))
    options = parser.parse_args()
    if options.list:
        print("\n".join(cases(options.match)))
        return 0
    build = stage(options.build)
    try:
        if options.user is not None and os.geteuid() == 0:
            become(options.user, build)
        system.become_subreaper()
        system.inherit_default_signals()
        with nodes.Run(build, options.nodes) as run:
            bad = run_all(run, f"{build}/checked_counter", options.match)
    finally:
        shutil.rmtree(build, ignore_errors=True)
    print(f"{bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Runs the test programs (tests/programs) under pmirun, in modes:

  launched  under pmirun, never moved
  once      each process moves away at its first MIGRATE_POINT (a program without points: soon after its start), and stays
  points    out and home alternately at every point
  hop       at every point to the next of: first node, second node, home
  random    out, home and about at random instants (--seed)

A program passes with exit status 0 and EXIT-SUCCESS as its last line, or with 77 (skipped). It also has to leave nothing
behind: no process, no stopped or traced process, no control socket, nothing on the nodes. Moves that are refused fail the
test, unless may_stay_home.txt says that the program is one of those that can't move at some point.
expected_failures.txt holds the known failures; one that passes fails the run.
"""

import argparse
import fnmatch
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nodes as nodes_module  # noqa: E402
import system  # noqa: E402
from driver import HOME, CommandError, Hang, Job, PointServer, RandomMover, place_of  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MODES = ("launched", "once", "points", "hop", "random")
POINT_CALL = b"PMI_MIGRATE_POINT"


def read_list(path, columns):
    """Lines of `columns` words, the last one taking the rest; # starts a comment line."""
    rows = []
    if os.path.exists(path):
        with open(path) as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    rows.append(line.split(None, columns - 1))
    return rows


def reason_for(rows, *words):
    for row in rows:
        if all(fnmatch.fnmatchcase(word, glob) for word, glob in zip(words, row)):
            return row[-1].strip()
    return None


class Mover:
    """What one mode does at points, and what it remembers for the verdict."""

    def __init__(self, job, mode, nodes, may_stay):
        self.job, self.mode, self.nodes, self.may_stay = job, mode, nodes, may_stay
        self.refused, self.errors, self.moves = [], [], 0
        self.ready = threading.Event()  # the first point may come before Popen returns

    def at_point(self, pid, line, n):
        if self.mode in ("launched", "random"):
            return
        self.ready.wait(10)
        try:
            self._move(pid, n)
        except CommandError as e:
            if not system.is_alive(pid) and self.job.is_running():
                return  # another process of the test killed it meanwhile
            (self.refused if e.is_cantmove() else self.errors).append(f"at line {line}, PID {pid}: {e}")
        except Hang as e:
            self.errors.append(f"at line {line}, PID {pid}: HANG: {e}")
            raise

    def _move(self, pid, n):
        if self.mode == "once":
            if n == 0 and self.job.where(pid) == HOME:
                self._go(pid, self.nodes[0])
            return
        here = self.job.where(pid)
        if self.mode == "points":
            self._go(pid, self.nodes[0] if here == HOME else HOME)
        else:
            to = 0 if here == HOME else place_of(here, self.nodes) + 1
            self._go(pid, self.nodes[to] if to < len(self.nodes) else HOME)

    def _go(self, pid, to):
        if to == HOME:
            self.job.home(pid)
        else:
            self.job.migrate(pid, to)
        self.moves += 1
        try:
            now = self.job.where(pid)
        except CommandError as e:
            if not e.is_gone():  # killed meanwhile by another process of the test
                raise
            return
        by_itself = now == HOME and self.may_stay  # what can't leave can't stay away either
        if now not in ((HOME,) if to == HOME else (to.name, to.address)) and not by_itself:
            self.errors.append(f"PID {pid}: pmictl moved it to {getattr(to, 'name', to)}, then where said {now}")


def tests_points(binary):
    """Whether the program has points: then the helper's error text about them is in it."""
    with open(binary, "rb") as f:
        return b"MIGRATE_POINT: connect" in f.read()


def run_one(run, my_nodes, task, options):
    """One program in one mode. Gives {"verdict": "ok" | "skip" | "FAIL", "why", "details", "moves", "seconds"}."""
    mode, program = task["mode"], task["program"]
    directory = os.path.join(run.directory, f"job-{task['number']}")
    os.mkdir(directory, 0o700)
    env, server, mover, problems = {}, None, None, []
    point_path = os.path.join(run.directory, f"point-{task['number']}")
    mover = Mover(None, mode, my_nodes, task["may_stay"])
    server = PointServer(point_path, mover.at_point)
    env["PMI_MIGRATE_POINT"] = point_path
    binary = task["binary"] if run.user is None else run.take(task["binary"], directory)
    begin = time.monotonic()
    job = Job(run, directory, my_nodes, [binary], env=env, timeout=options.command_timeout,
              options=options.pmirun_option)
    job.mode = options.mode
    mover.job = job
    mover.ready.set()
    random_mover, status, hung = None, None, None
    try:
        if mode == "random":
            random_mover = RandomMover(job, my_nodes, task["seed"])
            random_mover.start()
        elif mode in ("once", "points", "hop") and not task["has_points"]:
            if job.wait_for_start():
                try:
                    mover._go(job.pid, my_nodes[0])
                except CommandError as e:
                    (mover.refused if e.is_cantmove() else mover.errors).append(str(e))
        end = begin + options.timeout
        while status is None:
            status = job.process.poll()
            if status is None and any(isinstance(e, Hang) for _, _, e in server.failed):
                hung = "a move hangs"
                break
            if status is None and time.monotonic() > end:
                hung = f"still runs after {options.timeout} s"
                break
            if status is None:
                time.sleep(0.005)
    except Hang as e:
        hung = str(e)
    if hung:
        problems.append(f"HANG: {hung}")
        task["hang"] = job.state_of_hang()
    if random_mover:
        random_mover.stopped.set()
    seconds = time.monotonic() - begin
    verdict = "ok"
    output = job.output()
    last = output.rstrip("\n").rsplit("\n", 1)[-1]
    if not hung:
        if status == 77:
            verdict = "skip"
        elif status != 0:
            problems.append(f"status {status}" if status >= 0 else f"killed by {signal_name(-status)}")
        elif last != "EXIT-SUCCESS":
            problems.append(f"status 0, but the last line is {last!r}")
    moves = mover.moves
    if random_mover:
        moves = random_mover.done
        problems += [f"a move failed: {e}" for e in random_mover.failed[:3]]
    problems += mover.errors[:3]
    if mover.refused and not task["may_stay"]:
        problems += [f"refused: {text}" for text in mover.refused[:2]]
    problems += [f"point {pid}:{line}: {e!r}" for pid, line, e in server.failed[:2] if not isinstance(e, Hang)]
    if not hung:
        left = job.leftovers()
        problems += left[:6]
        if left:
            task["hang"] = job.state_of_hang()
    for node in my_nodes:
        if not node.is_well():
            problems.append(node.how_ended())
    errors = job.errors()
    if "was lost on" in errors:
        problems.append(next(line for line in errors.splitlines() if "was lost on" in line))
    server.close()
    details = ""
    if problems:
        verdict = "FAIL"
        details = "\n".join(filter(None, [
            f"stderr: {errors.strip()[-2000:]}" if errors.strip() else "",
            f"stdout ends: {last[-300:]}" if last else "",
            f"--- processes\n{task['hang']}" if task.get("hang") else "",
            job.logs(options.log_lines)]))
    job.end()
    system.reap(job.without)
    if random_mover:
        random_mover.join(2)
    if not options.keep_logs:
        subprocess.run(["rm", "-rf", directory], check=False)
    for node in my_nodes:
        if not node.is_well():
            node.stop()
            node.start()
    return {"verdict": verdict, "why": "; ".join(problems) if problems else (last if verdict == "skip" else ""),
            "details": details, "moves": moves, "points": server.points, "seconds": seconds,
            "refused": sorted(set(mover.refused))[:2] + (sorted(random_mover.refused) if random_mover else []),
            "directory": directory}


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# ---- slots: processes that run one job at a time, each with nodes of its own

class Slot:
    def __init__(self, run, number, options, count):
        ours, theirs = os.pipe(), os.pipe()  # tasks to the slot, results from it
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ours[1]), os.close(theirs[0])
            try:
                serve(run, number, options, count, os.fdopen(ours[0]), os.fdopen(theirs[1], "w"))
            except BaseException:  # pylint: disable=broad-except
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(ours[0]), os.close(theirs[1])
        self.tasks, self.results, self.task = os.fdopen(ours[1], "w"), os.fdopen(theirs[0]), None

    def give(self, task):
        self.task = task
        print(json.dumps(task), file=self.tasks, flush=True)


def serve(run, number, options, count, tasks, results):
    system.die_with_parent()
    system.become_subreaper()
    system.inherit_default_signals()
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    mine = []
    try:
        for i in range(count):
            n = number * count + i + 1
            mine.append(nodes_module.make(run, i, n, name=f"node{n}", pmid_options=options.pmid_option))
        for line in tasks:
            task = json.loads(line)
            try:
                result = run_one(run, mine, task, options)
            except Exception:  # pylint: disable=broad-except
                result = {"verdict": "FAIL", "why": "the test driver failed", "details": traceback.format_exc(), "moves": 0,
                          "points": 0, "seconds": 0, "refused": [], "directory": ""}
                system.kill_descendants(os.getpid(), {n.init for n in mine})
            print(json.dumps(result), file=results, flush=True)
    finally:
        for node in mine:
            node.stop()


# ---- the run

def make_tasks(options, programs):
    tasks = []
    may_stay = read_list(os.path.join(HERE, "may_stay_home.txt"), 2)
    linkages = {"dynamic": [("", "programs")], "static": [("static-", "programs-static")]}
    linkages["both"] = linkages["dynamic"] + linkages["static"]
    for prefix, folder in linkages["static" if options.static else options.linkage]:
        for mode in options.modes:
            for name in programs:
                binary = os.path.join(options.programs, folder, name)
                if not os.path.exists(binary):
                    print(f"{binary}: not built", file=sys.stderr)
                    continue
                names = [name, f"{options.mode}:{name}", *([f"user:{name}"] if options.user is not None else [])]
                stays = next(filter(None, (reason_for(may_stay, n) for n in names)), None)
                tasks += [{"mode": mode, "shown": prefix + mode, "program": name, "binary": binary,
                           "has_points": tests_points(binary), "may_stay": stays}
                          for _ in range(options.repeat)]
    if options.spread:
        ways = sorted({task["shown"] for task in tasks})
        tasks = [t for t in tasks if t["shown"] == ways[(zlib.crc32(t["program"].encode()) + options.seed) % len(ways)]]
    for number, task in enumerate(tasks):
        task["number"] = number
        task["seed"] = options.seed * 1000003 + number
    return tasks


def report(task, result, expected, options):
    """Prints one line a test, more for a failure. Gives the final verdict."""
    why = reason_for(expected, task["shown"], task["program"])
    verdict = result["verdict"]
    if why and verdict == "FAIL":
        verdict = "expected"
    elif why and verdict == "ok" and not why.startswith("sometimes"):
        verdict = "UNEXPECTED"
    note = f"moves {result['moves']}"
    if task["mode"] == "random":
        note += f" seed {task['seed']}"
    if verdict == "UNEXPECTED":
        note += f": passes, but expected_failures.txt says: {why}"
    elif result["why"]:
        note += ": " + result["why"]
    elif result["refused"]:
        note += ": stayed: " + result["refused"][0]
    print(f"{verdict:10} {task['shown']:15} {task['program']:26} {result['seconds']:6.2f} s  {note}", flush=True)
    if verdict == "FAIL" and result["details"] and not options.brief:
        print("    " + result["details"].replace("\n", "\n    "), flush=True)
    return verdict


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("PMI_BUILD", "build-dev"), help="build tree")
    parser.add_argument("--programs", help="folder that holds programs/ and programs-static/ (default: BUILD/tests)")
    parser.add_argument("--modes", default="launched,once,points", help="comma-separated: " + ", ".join(MODES) + ", or all")
    parser.add_argument("--mode", help="how memory moves: auto, stop, precopy or postcopy (default: pmictl's own choice)")
    parser.add_argument("--match", action="append", help="glob of program names; may be given more than once")
    parser.add_argument("--skip", action="append", default=[], help="glob of program names to leave out")
    parser.add_argument("--static", action="store_true", help="the static builds instead of the dynamic ones")
    parser.add_argument("--linkage", choices=("dynamic", "static", "both"), default="dynamic")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=60, help="seconds for a program")
    parser.add_argument("--command-timeout", type=float, default=20, help="seconds for a pmictl")
    parser.add_argument("--nodes", choices=("auto", "namespace", "plain"), default="auto")
    nodes_module.add_options(parser)
    parser.add_argument("--user", type=int, help="run as this user (UID)")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--spread", action="store_true",
                        help="each program in one of the modes and linkages only, which one depends on its name and the seed")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--keep-logs", action="store_true")
    parser.add_argument("--log-lines", type=int, default=30)
    parser.add_argument("--brief", action="store_true", help="one line a failure")
    parser.add_argument("--pmirun-option", action="append", default=[], help="option for pmirun, such as --no-preload")
    parser.add_argument("--pmid-option", action="append", default=[], help="option for pmid, such as --no-patching")
    parser.add_argument("--own-keys", action="store_true", help="each node has keys of its own, and trust is told")
    parser.add_argument("--same-clocks", action="store_true", help="nodes in namespaces have home's clocks")
    parser.add_argument("--results", help="write the results to this file, as JSON lines")
    options = parser.parse_args(arguments)
    options.modes = list(MODES) if options.modes == "all" else options.modes.split(",")
    for mode in options.modes:
        if mode not in MODES:
            parser.error(f"no mode {mode}")
    if os.geteuid() != 0:
        options.user = None  # only root can become one; anybody else is an ordinary user already
    options.programs = os.path.abspath(options.programs or os.path.join(options.build, "tests"))
    return options


def program_names(options):
    with open(os.path.join(options.programs, "programs.txt")) as f:
        names = f.read().split()
    globs = options.match or ["*"]
    names = [n for n in names if any(fnmatch.fnmatchcase(n, g) for g in globs)]
    return [n for n in names if not any(fnmatch.fnmatchcase(n, g) for g in options.skip)]


def run_all(run, options, tasks):
    """Gives [(task, result)]; prints as results come."""
    expected = read_list(os.path.join(HERE, "expected_failures.txt"), 3)
    count = 2 if "hop" in options.modes or "random" in options.modes else 1
    slots = [Slot(run, n, options, count) for n in range(min(options.jobs, max(1, len(tasks))))]
    todo, done = list(reversed(tasks)), []
    try:
        for slot in slots:
            if todo:
                slot.give(todo.pop())
        while any(slot.task for slot in slots):
            ready = select.select([s.results for s in slots if s.task], [], [], 600)[0]
            for slot in [s for s in slots if s.results in ready]:
                line = slot.results.readline()
                if not line:
                    raise nodes_module.NodeError("a slot ended: see above")
                result, task, slot.task = json.loads(line), slot.task, None
                result["final"] = report(task, result, expected, options)
                done.append((task, result))
                if options.results:
                    with open(options.results, "a") as f:
                        print(json.dumps({**task, **result}), file=f)
                if todo:
                    slot.give(todo.pop())
    finally:
        for slot in slots:
            slot.tasks.close()
        end = time.monotonic() + 15
        for slot in slots:
            while os.waitpid(slot.pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > end:
                    os.kill(slot.pid, signal.SIGKILL)
                time.sleep(0.02)
        system.kill_descendants(os.getpid())
    return done


def summary(done, seconds):
    verdicts = ("ok", "skip", "expected", "UNEXPECTED", "FAIL")
    print(f"\n{'mode':16}" + "".join(f"{v:>11}" for v in verdicts) + "    moves")
    for shown in dict.fromkeys(task["shown"] for task, _ in done):
        of = [r for t, r in done if t["shown"] == shown]
        print(f"{shown:16}" + "".join(f"{sum(r['final'] == v for r in of):11}" for v in verdicts)
              + f"{sum(r['moves'] for r in of):9}")
    bad = [(t, r) for t, r in done if r["final"] in ("FAIL", "UNEXPECTED")]
    for task, result in bad:
        print(f"{result['final']:10} {task['shown']:15} {task['program']:26} {result['why'][:150]}")
    print(f"{len(done)} tests, {len(bad)} bad, {seconds:.0f} s")
    return not bad


def main(arguments):
    options = parse(arguments)
    programs = program_names(options)
    tasks = make_tasks(options, programs)
    if not tasks:
        print("nothing to run", file=sys.stderr)
        return 2
    system.become_subreaper()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    with nodes_module.Run(options.build, options.nodes, options.user, share_keys=not options.own_keys,
                          other_clocks=not options.same_clocks, others=options.node, keys=options.keys) as run:
        print(f"# {len(tasks)} tests; nodes: {run.mode}; seed {options.seed}; in {run.directory}", flush=True)
        if options.keep_logs:
            open(os.path.join(run.directory, "keep"), "w").close()
        done = run_all(run, options, tasks)
    return 0 if summary(done, time.monotonic() - begin) and len(done) == len(tasks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Real programs end to end: each works while it (and what it starts) moves out and home, at random instants, at least
--moves times; its output is compared with an unmoved run's. Each case is one function below, named case_NAME:

  real_programs.py --list
  real_programs.py --match 'python*' --seed 5

Each case runs in a process of its own, with nodes of its own. A case whose program isn't installed is skipped, with the
reason. expected_failures.txt applies, with the mode "real".
"""

import argparse
import fnmatch
import hashlib
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nodes as nodes_module  # noqa: E402
import system  # noqa: E402
from driver import HOME, CommandError, Job, RandomMover  # noqa: E402
from run_programs import read_list, reason_for  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


class Case:
    """What a case function gets: a directory, nodes, and ways to run programs moved and unmoved."""

    def __init__(self, run, nodes, directory, options, seed):
        self.run, self.nodes, self.directory, self.options, self.seed = run, nodes, directory, options, seed
        self.ids = {} if run.user is None else {"user": run.user, "group": run.user, "extra_groups": []}
        self.jobs, self.movers, self.moves, self.notes = [], [], 0, []
        self.environment = {"PATH": CLEAN_PATH, "HOME": directory, "LANG": "C.UTF-8", "TZ": "UTC", "TMPDIR": directory}

    # ---- what is there

    def need(self, *programs):
        found = [shutil.which(p, path=CLEAN_PATH + ":/usr/lib/postgresql/15/bin") for p in programs]
        for program, path in zip(programs, found):
            if path is None:
                raise Skipped(f"{program} isn't installed")
        return found[0] if len(found) == 1 else found

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def compile(self, source, *flags):
        self.need("gcc")
        target = self.path(os.path.splitext(os.path.basename(source))[0])
        subprocess.run(["gcc", "-O1", "-o", target, source, "-pthread", *flags], check=True, timeout=120)
        return target

    def sample(self, name):
        path = os.path.join(self.options.build, "samples", name)
        if not os.path.exists(path):
            raise Skipped(f"{path} isn't built")
        return path

    def need_root(self):
        if self.run.user is not None:
            raise Skipped("needs root")

    # ---- running

    def unmoved(self, command, stdin=None, cwd=None, status=0):
        done = subprocess.run(command, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
                              cwd=cwd or self.directory, env=self.environment, timeout=self.options.timeout, **self.ids)
        if done.returncode != status:
            raise Failed(f"the unmoved run: status {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
        return done.stdout

    def start(self, command, **kwargs):
        directory = self.path(f"job{len(self.jobs)}")
        os.mkdir(directory, 0o700)
        env = {**self.environment, "XDG_RUNTIME_DIR": directory, **kwargs.pop("env", {})}
        kwargs["options"] = (*kwargs.get("options", ()), *self.options.pmirun_option)
        saved = dict(os.environ)
        os.environ.clear()  # the program starts from the case's environment only
        os.environ.update({"PATH": CLEAN_PATH})
        try:
            job = Job(self.run, directory, self.nodes, command, env=env, timeout=self.options.command_timeout,
                      cwd=kwargs.pop("cwd", self.directory), **kwargs)
        finally:
            os.environ.clear()
            os.environ.update(saved)
        job.mode = self.options.mode
        self.jobs.append(job)
        return job

    def mover(self, job, pids=None, pause=(0.02, 0.2), limit=None):
        mover = RandomMover(job, self.nodes[:1], self.seed + len(self.movers), pause=pause, pids=pids, limit=limit,
                            alternate=True)
        self.movers.append(mover)
        mover.start()
        return mover

    def finish(self, job, mover, at_least=None, status=0):
        """Waits for the program's end; checks its status, the moves and that nothing is left. Gives its stdout."""
        try:
            code = job.wait(self.options.timeout)
        finally:
            if mover:
                mover.stopped.set()
        if mover:
            mover.stop()
        errors = job.errors() if os.path.exists(job.stderr_path) else ""
        if code != status:
            raise Failed(f"status {code}, not {status}: {errors[-400:]}")
        if mover and mover.failed:
            raise Failed(f"a move failed: {mover.failed[0]}")
        wanted = self.options.moves if at_least is None else at_least
        if mover and mover.done < wanted:
            raise Failed(f"only {mover.done} moves of {wanted}" + (f"; refused: {mover.refused}" if mover.refused else ""))
        if mover and mover.refused:
            self.notes.append(f"refused at times: {sorted(mover.refused)[0].split('cantmove: ')[-1]}")
        left = job.leftovers()
        if left:
            raise Failed("; ".join(left[:4]))
        return job.output_bytes()

    def moved(self, command, at_least=None, status=0, pids=None, pause=(0.02, 0.2), limit=None, **kwargs):
        job = self.start(command, **kwargs)
        return self.finish(job, self.mover(job, pids, pause, limit), at_least, status)

    def until_moved_enough(self, once):
        """Runs once() again until --moves moves were made: how long a program lasts depends on the machine."""
        for _ in range(8):
            once()
            if sum(m.done for m in self.movers) >= self.options.moves:
                return
        raise Failed(f"only {sum(m.done for m in self.movers)} moves of {self.options.moves} in 8 runs")

    def moved_often(self, command_for, wanted, **kwargs):
        """Runs command_for(seconds), and again for longer where the machine was too slow for `wanted` moves of that one
        run. Gives the last one's output."""
        seconds = self.options.sample_seconds
        for _ in range(4):
            out = self.moved(command_for(seconds), at_least=0, **kwargs)
            done = self.movers[-1].done
            if done >= wanted:
                return out
            seconds = min(4 * seconds, int(seconds * wanted / max(done, 1) * 1.3) + 1)
        raise Failed(f"only {done} moves of {wanted}, the last time in {seconds} s")

    def same(self, command, **kwargs):
        """The common case: the same bytes on stdout, moved or not."""
        expected = self.unmoved(command)
        self.until_moved_enough(lambda: compare(self.moved(command, at_least=0, **kwargs), expected))

    def describe_failure(self):
        text = []
        for job in self.jobs:
            if job.is_running():
                text.append(f"--- still there\n{job.state_of_hang()}")
            if os.path.exists(job.stderr_path) and job.errors().strip():
                text.append(f"--- stderr\n{job.errors()[-1500:]}")
            text.append(job.logs(self.options.log_lines))
        return "\n".join(text)

    def end(self):
        for mover in self.movers:
            mover.stopped.set()
        for job in self.jobs:
            job.end()


def compare(got, expected, what="output"):
    if got == expected:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
    raise Failed(f"{what} differs at byte {at} of {len(expected)} (got {len(got)}): {got[at:at + 60]!r}, "
                 f"not {expected[at:at + 60]!r}")


def wait_for(condition, what, within=20.0, pause=0.02):
    end = time.monotonic() + within
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"never came true within {within} s: {what}")
        time.sleep(pause)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- shells and build tools

def case_bash_pipelines(c):
    script = c.write("work.sh", r"""
total=0
for i in $(seq 1 40); do
  sum=$(seq 1 4000 | awk -v k=$i '{ print ($1 * 7919 + k) % 10007 }' | sort -rn | uniq -c | sed 's/^ *//' | md5sum | cut -c1-8)
  total=$((total + 0x$sum % 1000))
  echo "$i $sum $total $(echo "$sum" | tr a-f A-F)"
  printf '%s\n' "$sum" >> log.$$; wc -l < log.$$
done
( trap 'echo trapped' TERM; kill -TERM $BASHPID; echo in subshell ); f() { local x=$1; [ $x -le 1 ] && echo 1 || echo $((x * $(f $((x - 1))))); }
f 9; rm log.$$; echo done
""")
    c.same(["bash", script])


def case_dash_pipelines(c):
    c.same(["sh", "-c", "i=0; while [ $i -lt 60 ]; do seq 1 3000 | grep 7 | tail -n 3 | tr '\\n' ' '; i=$((i+1)); done; echo $i"])


def case_bash_features(c):
    """Coprocesses, process substitution, traps, job control, wait."""
    script = c.write("features.sh", r"""
coproc C { while read l; do echo "got $l"; [ "$l" = end ] && break; done; }
for i in 1 2 3 4 5; do echo "m$i" >&${C[1]}; read -u ${C[0]} r; echo "$r"; /bin/sleep 0.05; done
echo end >&${C[1]}; read -u ${C[0]} r; echo $r; wait $C_PID; echo co $?
cat <<X
here $((6*7)) $(echo sub)
X
cat <<<"string"; diff <(seq 1 200) <(seq 1 201); echo d $?
for i in 1 2 3; do (sleep 0.$i; exit $i) & p[$i]=$!; done; for i in 1 2 3; do wait ${p[$i]}; echo w $?; done
trap 'echo usr1' USR1; trap 'echo chld' CHLD; kill -USR1 $$; sleep 0.1 & wait; trap - CHLD; trap 'echo exit' EXIT
(trap 'echo sub term; exit 9' TERM; sleep 2 & wait) & s=$!; sleep 0.5; kill $s; wait $s; echo s $?
sleep 100 & k=$!; kill -9 $k; wait $k 2>/dev/null; echo $?; set -o pipefail; false | true; echo pf $?
yes | head -3000 | tail -1; echo ${PIPESTATUS[*]}
set -m; sleep 0.3 & wait %1; echo $?; sh -c 'kill -STOP $$; echo resumed' & sleep 0.4; jobs -l | awk '{print $1,$3}'
kill -CONT %%; wait %%; echo c $?; set +m; read -t 0.2 x < <(sleep 1); echo rt $(($? > 128))
ulimit -n 50; ulimit -n; mapfile -t a < <(seq 1 500); echo ${#a[@]}; printf '%s\n' "${a[@]}" | sort -rn | head -2
exec 3> >(cat); echo through >&3; exec 3>&-; wait; sleep 2; exit 77
""")
    expected = c.unmoved(["bash", script], status=77)
    c.until_moved_enough(lambda: compare(c.moved(["bash", script], at_least=0, status=77), expected))


def case_low_limits(c):
    """Limits that leave no room for whoever moves the program: it says so, and works on."""
    go = c.path("go")
    work = ["bash", "-c", f"while [ ! -e {go} ]; do sleep 0.1; done; echo done | rev; exit 7"]
    for option, amount in (("n", 12), ("f", 1), ("v", 40000)):
        job = c.start(work, wrapped=["bash", "-c", f'ulimit -{option} {amount}; exec "$@"', "bash"])
        job.wait_for_start()
        try:
            job.migrate(job.pid, c.nodes[0])
            raise Failed(f"it moved with ulimit -{option} {amount}")
        except CommandError as e:
            if not e.is_cantmove() or f"ulimit -{option}" not in e.reason:
                raise Failed(f"ulimit -{option} {amount}: {e}") from None
        c.write("go", "")
        compare(c.finish(job, None, status=7), b"enod\n")
        os.unlink(go)


def case_git(c):
    c.need("git")
    c.same(["bash", "-c", r"""
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
set -e
d=$(mktemp -d); cd $d; git init -q -b main r; cd r
for i in $(seq 1 12); do for k in $(seq 1 20); do echo "line $i $k" >> f$k; done; git add -A; git commit -qm "commit $i"; done
git checkout -qb topic HEAD~6; echo topic > t; git add t; git commit -qm topic; echo 2 >> t; git commit -qam topic2
git rebase -q main; git log --oneline | md5sum; git fsck --full 2>&1
git gc -q --aggressive; git fsck; git count-objects -v | grep -v size
git grep -n 'line 7' | sort | md5sum
cd ..; git clone -q --no-local r c; cd c; git log --format=%H origin/topic | md5sum; git diff --stat origin/main origin/topic | cat
git bundle create -q ../b --all; git clone -q ../b ../d; git -C ../d rev-parse HEAD; git blame f3 | md5sum; git stash list; git archive HEAD | tar t | wc -l
cd /; rm -rf $d; echo done
"""])


def case_rsync(c):
    c.need("rsync")
    c.same(["bash", "-c", r"""
set -e
d=$(mktemp -d); cd $d; mkdir -p a/linux; cp /usr/include/linux/[a-h]*.h a/linux; rsync -a a/ b/; diff -r a b && echo same
echo more >> a/linux/fs.h; rsync -avc --itemize-changes a/ b/ | grep fs.h; diff -r a b && echo same; rsync -a --delete --checksum -z a/linux/ b/; diff -r a/linux b && echo same3
rm -rf $d
"""])


def case_make(c):
    c.need("make", "gcc")

    def project(name):
        os.mkdir(c.path(name))
        rng = random.Random(1)
        for i in range(16):
            body = "".join(f"long f{i}_{k}(long x) {{ long r = x; for (long j = 0; j < {rng.randrange(5, 90)}; j++) "
                           f"r = r * {rng.randrange(3, 99)} + (r >> {rng.randrange(1, 13)}) + j; return r; }}\n" for k in range(120))
            c.write(f"{name}/f{i}.c", body)
        c.write(f"{name}/main.c", "#include <stdio.h>\n" + "".join(f"long f{i}_0(long);\n" for i in range(16))
                + "int main(void) { long r = 1;\n" + "".join(f"r += f{i}_0(r);\n" for i in range(16))
                + 'printf("%ld\\n", r); return 0; }\n')
        c.write(f"{name}/Makefile", "OBJECTS = " + " ".join(f"f{i}.o" for i in range(16)) + " main.o\n"
                "prog: $(OBJECTS)\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -O2 -c -o $@ $<\n")
        return c.path(name)

    expected, got = project("a"), project("b")
    c.unmoved(["make", "-s", "-j2"], cwd=expected)

    def build():
        for name in os.listdir(got):
            if name.endswith(".o"):
                os.unlink(f"{got}/{name}")
        compare(c.moved(["make", "-s", "-j2"], at_least=0, cwd=got), b"")
    c.until_moved_enough(build)
    for name in [f"f{i}.o" for i in range(16)] + ["main.o"]:
        compare(open(f"{got}/{name}", "rb").read(), open(f"{expected}/{name}", "rb").read(), name)
    compare(c.unmoved(["./prog"], cwd=got), c.unmoved(["./prog"], cwd=expected), "the built program's output")


def case_gcc(c):
    c.need("gcc")
    rng = random.Random(2)
    text = "".join(f"double g{k}(double* a, int n) {{ double s = {k}; for (int i = 0; i < n; i++) "
                   f"{{ a[i] = a[i] * {rng.random():.6f} + s; s += a[i] / ({rng.randrange(2, 50)} + i % {rng.randrange(2, 9)}); }} "
                   f"return s > {rng.random():.4f} ? s : a[n / 2]; }}\n" for k in range(1500))
    source = c.write("big.c", text)
    c.unmoved(["gcc", "-O2", "-S", "-o", c.path("a.s"), source])
    c.until_moved_enough(lambda: c.moved(["gcc", "-O2", "-S", "-o", c.path("b.s"), source], at_least=0))
    compare(open(c.path("b.s"), "rb").read(), open(c.path("a.s"), "rb").read(), "the assembly")


# ---- interpreters and runtimes

def case_python_threads(c):
    python = c.need("/usr/bin/python3")
    c.same([python, "-c", r"""
import threading, queue, hashlib, time
q, out, lock = queue.Queue(8), {}, threading.Lock()
def work():
    while (n := q.get()) is not None:
        h = hashlib.sha256(str(n).encode())
        for _ in range(3000): h = hashlib.sha256(h.digest())
        with lock: out[n] = h.hexdigest()
        time.sleep(0.001)
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for n in range(600): q.put(n)
for t in threads: q.put(None)
for t in threads: t.join(timeout=60)
assert len(out) == 600
print(hashlib.sha256("".join(out[n] for n in sorted(out)).encode()).hexdigest())
"""])


def case_python_subprocess(c):
    python = c.need("/usr/bin/python3")
    c.same([python, "-c", r"""
import subprocess, sys, os, signal
for i in range(40):
    p = subprocess.Popen(["sort", "-n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = p.communicate("".join(f"{(k * 7919 + i) % 1000}\n" for k in range(2000)).encode(), timeout=60)
    print(i, len(out), hash(tuple(map(int, out.split()))) , p.returncode)
    print(subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.exit({i})"]).returncode)
    p = subprocess.Popen(["sleep", "100"]); p.terminate(); print(p.wait(30))
    print(subprocess.check_output(f"echo {i} | tr 0-9 a-j", shell=True, text=True).strip())
"""])


def case_python_sqlite3(c):
    python = c.need("/usr/bin/python3")
    program = c.write("db.py", r"""
import sqlite3, sys, random, os
db = sqlite3.connect(sys.argv[1]); random.seed(4)
db.execute("create table t (id integer primary key, a int, b text)")
for i in range(250):
    with db: db.executemany("insert into t (a, b) values (?, ?)", [(random.randrange(1000), "x" * random.randrange(100)) for _ in range(100)])
    if i % 10 == 0:
        with db: db.execute("delete from t where a = ?", (random.randrange(1000),))
    print(i, db.execute("select count(*), sum(a), sum(length(b)) from t where a > ?", (random.randrange(900),)).fetchone())
print(db.execute("pragma integrity_check").fetchone()); os.unlink(sys.argv[1])
""")
    c.same([python, program, c.path("work.db")])


def case_python_asyncio(c):
    python = c.need("/usr/bin/python3")
    c.same([python, "-c", r"""
import asyncio
async def serve(r, w):
    while line := await r.readline(): w.write(line[::-1].strip() + b"\n"); await w.drain()
    w.close()
async def client(port, k):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    for i in range(600):
        w.write(f"{k} {i}\n".encode()); assert (await r.readline()).strip() == f"{k} {i}".encode()[::-1]
        await asyncio.sleep(0.002)
    w.close()
    return k
async def main():
    s = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(await asyncio.gather(*[client(s.sockets[0].getsockname()[1], k) for k in range(5)]))
asyncio.run(main())
"""])


def case_python_own_tests(c):
    """Python's own tests of what moves could disturb: each test's verdict is that of the unmoved run."""
    python = c.need("/usr/bin/python3")
    if not os.path.exists("/usr/lib/python3.11/test/test_eintr.py"):
        raise Skipped("libpython3.11-testsuite isn't installed")

    def verdicts(text):
        found, name = {}, None
        for line in text.decode(errors="replace").splitlines():
            named, said = re.match(r"test\w* \(([\w.]+)\)", line), re.search(r"(?:\.\.\. ?|^)(ok|FAIL|ERROR|skipped)\b", line)
            name = named[1] if named else name
            if said and name:
                found[name], name = said[1], None
        return found
    tests = "test_fork1 test_os test_posix test_select test_time".split()
    command = ["bash", "-c", '"$@" 2>&1', "bash", python, "-m", "test", "-v", *tests]
    expected, got = verdicts(c.unmoved(command)), verdicts(c.moved(command))
    different = [f"{name}: {got.get(name)}, not {verdict}" for name, verdict in expected.items() if got.get(name) != verdict]
    if different or len(expected) < 100:
        raise Failed(f"{len(different)} of {len(expected)} tests: {'; '.join(different[:5])}")
    c.notes.append(f"{len(expected)} tests")


def case_ruby(c):
    c.need("ruby")
    c.same(["ruby", "-e", r"""
require 'socket'; require 'digest'; require 'open3'; require 'timeout'; require 'tempfile'; $stdout.sync = true
q = Queue.new
ths = 4.times.map { |k| Thread.new { 50.times { |i| q << Digest::SHA256.hexdigest((k*1000+i).to_s * 1000); sleep 0.002 } } }
ths.each(&:join); a = []; a << q.pop until q.empty?; puts Digest::SHA256.hexdigest(a.sort.join)
s = TCPServer.new('127.0.0.1', 0); t = Thread.new { 20.times { c = s.accept; while (l = c.gets); c.puts l.reverse.strip; end; c.close } }
20.times { |k| c = TCPSocket.new('127.0.0.1', s.addr[1]); 20.times { |i| c.puts "hello #{k} #{i}"; raise unless c.gets.strip == "hello #{k} #{i}".reverse }; c.close }; t.join
30.times { |i| o, st = Open3.capture2('tr a-z A-Z', stdin_data: "abc#{i}"); puts "#{o} #{st.exitstatus}" }
r, w = IO.pipe; pid = fork { r.close; 100.times { |i| w.puts i }; exit! 3 }; w.close; puts r.read.split.map(&:to_i).sum; Process.wait pid; puts $?.exitstatus
trap(:USR1) { puts 'usr1' }; Process.kill :USR1, $$; sleep 0.1
begin; Timeout.timeout(0.3) { sleep 5 }; rescue Timeout::Error; puts 'timeout'; end
f = Fiber.new { 3.times { |i| Fiber.yield i }; :end }; 4.times { puts f.resume.inspect }
GC.stress = false; 5.times { GC.start; ('a'..'zz').to_a.permutation(1).count }; puts `echo sub`
"""])


def case_tcl(c):
    c.same(["tclsh", c.write("w.tcl", r"""
set done 0; proc accept {ch a p} { fconfigure $ch -buffering line -blocking 0; fileevent $ch readable [list echo $ch] }
proc echo {ch} { if {[gets $ch l] >= 0} { puts $ch [string reverse $l] } elseif {[eof $ch]} { close $ch } }
set s [socket -server accept -myaddr 127.0.0.1 0]; set port [lindex [fconfigure $s -sockname] 2]
set c [socket 127.0.0.1 $port]; fconfigure $c -buffering line -blocking 0; set n 0
proc got {} { global c n done; if {[gets $c l] >= 0} { puts $l; incr n; if {$n >= 200} {set done 1} else { after 2 {puts $c "line $n"} } } }
fileevent $c readable got; puts $c start; vwait done
for {set i 0} {$i < 20} {incr i} { puts [exec echo $i | tr 0-9 a-j | cat] }
catch {exec sh -c {exit 4}} m o; puts [lindex [dict get $o -errorcode] 2]
set t0 [clock milliseconds]; after 300; puts [expr {[clock milliseconds] - $t0 >= 300}]
""")])


def case_perl(c):
    perl = c.need("perl")
    c.same([perl, "-e", r"""
use strict; $| = 1; my %h; my $x = 12345;
for my $round (1..60) {
  for (1..20000) { $x = ($x * 1103515245 + 12345) % 2147483648; $h{$x % 5003} .= chr(97 + $x % 26); }
  my $s = join ',', map { "$_=" . length $h{$_} } sort { $a <=> $b } keys %h;
  my $out = `echo $round | rev`; chomp $out;
  print "$round $out ", unpack('%32C*', $s), "\n"; select undef, undef, undef, 0.02;
}
my $pid = fork; if (!$pid) { exit 7 } waitpid $pid, 0; print $? >> 8, "\n";
"""])


def case_node(c):
    node = c.need("node")
    c.same([node, "-e", r"""
const crypto = require('crypto'), cp = require('child_process');
let round = 0, state = 'x', objects = [];
function step() {
  for (let i = 0; i < 3000; i++) { state = crypto.createHash('sha256').update(state).digest('hex'); objects[i % 997] = {state, i}; }
  console.log(round, state.slice(0, 16), Object.keys(objects).length);
  if (++round < 60) setTimeout(step, 20);
  else cp.exec('echo from a child', (e, out) => console.log(out.trim()));
}
step();
"""])


def case_node_server(c):
    node = c.need("node")
    c.same([node, "-e", r"""
const http = require('http'), {Worker, isMainThread} = require('worker_threads'), cp = require('child_process'), crypto = require('crypto'), fs = require('fs'), zlib = require('zlib');
const s = http.createServer((q, r) => { let b = []; q.on('data', d => b.push(d)).on('end', () => { r.end(crypto.createHash('md5').update(Buffer.concat(b)).digest('hex')); }); });
s.listen(0, '127.0.0.1', async () => {
  const port = s.address().port, agent = new http.Agent({keepAlive: true, maxSockets: 4});
  const ask = (i) => new Promise((ok, no) => { const body = 'x'.repeat(i * 37 % 50000); const q = http.request({port, host: '127.0.0.1', method: 'POST', agent}, r => { let t = ''; r.on('data', d => t += d).on('end', () => ok(t)); }); q.on('error', no); q.end(body); });
  let all = []; for (let r = 0; r < 40; r++) { all.push(...await Promise.all([...Array(8).keys()].map(k => ask(r * 8 + k)))); }
  console.log(crypto.createHash('md5').update(all.join('')).digest('hex'));
  const w = await Promise.all([1,2,3].map(n => new Promise((ok, no) => { const w = new Worker(`const {parentPort, workerData} = require('worker_threads'); let x = workerData; for (let i = 0; i < 3e7; i++) x = (x * 16807) % 2147483647; parentPort.postMessage(x);`, {eval: true, workerData: n}); w.on('message', ok); w.on('error', no); })));
  console.log(w);
  for (let i = 0; i < 10; i++) console.log(cp.execFileSync('rev', {input: 'abc' + i}).toString().trim());
  await new Promise(ok => { const p = cp.fork('-e', [], {execArgv: ['-e', "process.on('message', m => { process.send(m * 2); if (m == 49) process.disconnect(); })"]}); let n = 0; p.on('message', m => { n += m; }); p.on('exit', (code) => { console.log('child', n, code); ok(); }); for (let i = 0; i < 50; i++) p.send(i); });
  const f = process.env.TMPDIR + '/nf'; fs.writeFileSync(f, 'y'.repeat(3000000)); await new Promise(ok => fs.createReadStream(f).pipe(zlib.createGzip()).pipe(fs.createWriteStream(f + '.gz')).on('finish', ok)); console.log(zlib.gunzipSync(fs.readFileSync(f + '.gz')).length);
  let t = Date.now(); await new Promise(ok => setTimeout(ok, 300)); console.log(Date.now() - t >= 299);
  s.close(); agent.destroy();
});
"""])


JAVA = r"""
import java.util.*; import java.util.concurrent.*; import java.security.*;
public class Work {
  public static void main(String[] a) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(3); Map<Integer, String> out = new ConcurrentHashMap<>();
    for (int round = 0; round < 60; round++) {
      List<Future<String>> futures = new ArrayList<>();
      for (int k = 0; k < 6; k++) { final int n = round * 6 + k; futures.add(pool.submit(() -> {
        MessageDigest d = MessageDigest.getInstance("SHA-256"); byte[] b = Integer.toString(n).getBytes();
        for (int i = 0; i < 5000; i++) b = d.digest(b);
        List<int[]> garbage = new ArrayList<>(); for (int i = 0; i < 500; i++) garbage.add(new int[100]);
        return String.format("%02x%02x%02x", b[0], b[1], b[2]); })); }
      StringBuilder s = new StringBuilder(); for (Future<String> f : futures) s.append(f.get()).append(' ');
      System.out.println(round + " " + s); Thread.sleep(15);
    }
    pool.shutdown();
  }
}
"""


def case_java(c):
    java, _ = c.need("java", "javac")
    c.write("Work.java", JAVA)
    c.unmoved(["javac", "Work.java"])
    c.same([java, "-Xmx128m", "-cp", c.directory, "Work"])


def case_java_net(c):
    c.need("javac")
    c.write("Net.java", r"""
import java.net.*; import java.io.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class Net { 
  static class Sum extends RecursiveTask<Long> { int a, b; Sum(int a, int b) { this.a = a; this.b = b; } protected Long compute() { if (b - a < 1000) { long s = 0; for (int i = a; i < b; i++) s += (long) i * i % 1009; return s; } Sum l = new Sum(a, (a + b) / 2), r = new Sum((a + b) / 2, b); l.fork(); return r.compute() + l.join(); } }
  public static void main(String[] x) throws Exception {
    ServerSocket s = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread t = new Thread(() -> { try { while (true) { Socket c = s.accept(); new Thread(() -> { try (c) { BufferedReader r = new BufferedReader(new InputStreamReader(c.getInputStream())); PrintWriter w = new PrintWriter(c.getOutputStream(), true); String l; while ((l = r.readLine()) != null) w.println(new StringBuilder(l).reverse()); } catch (IOException e) { System.out.println(e); } }).start(); } } catch (IOException e) { } }); t.setDaemon(true); t.start();
    ExecutorService p = Executors.newCachedThreadPool(); List<Future<Integer>> f = new ArrayList<>();
    for (int k = 0; k < 6; k++) { final int n = k; f.add(p.submit(() -> { int ok = 0; try (Socket c = new Socket(InetAddress.getLoopbackAddress(), s.getLocalPort())) { BufferedReader r = new BufferedReader(new InputStreamReader(c.getInputStream())); PrintWriter w = new PrintWriter(c.getOutputStream(), true); for (int i = 0; i < 200; i++) { String m = n + " message " + i; w.println(m); if (new StringBuilder(m).reverse().toString().equals(r.readLine())) ok++; Thread.sleep(1); } } return ok; })); }
    for (Future<Integer> g : f) System.out.println(g.get()); p.shutdown();
    for (int i = 0; i < 20; i++) System.out.println(ForkJoinPool.commonPool().invoke(new Sum(0, 2000000)));
    System.out.println(IntStream.range(0, 1000000).parallel().mapToLong(i -> (long) i * i % 7).sum());
    Process q = new ProcessBuilder("sort", "-n").start(); try (PrintWriter w = new PrintWriter(q.getOutputStream())) { for (int i = 0; i < 2000; i++) w.println(i * 7919 % 2003); } System.out.println(new BufferedReader(new InputStreamReader(q.getInputStream())).lines().collect(Collectors.joining(",")).hashCode() + " " + q.waitFor());
    long t0 = System.nanoTime(); Thread.sleep(300); System.out.println((System.nanoTime() - t0) / 1000000 >= 300);
    Timer tm = new Timer(true); CountDownLatch cd = new CountDownLatch(20); tm.schedule(new TimerTask() { public void run() { cd.countDown(); } }, 5, 10); System.out.println(cd.await(20, TimeUnit.SECONDS));
  } }
""")
    c.unmoved(["javac", "Net.java"])
    c.same(["java", "-Xmx200m", "-cp", c.directory, "Net"])


GO = r"""
package main
import ("crypto/sha256"; "fmt"; "os/exec"; "time")
func main() {
  in, out := make(chan int), make(chan [32]byte, 8)
  for w := 0; w < 4; w++ { go func() { for n := range in { h := sha256.Sum256([]byte(fmt.Sprint(n))); for i := 0; i < 4000; i++ { h = sha256.Sum256(h[:]) }; out <- h } }() }
  for round := 0; round < 80; round++ {
    go func() { for k := 0; k < 8; k++ { in <- round*8 + k } }()
    var x [32]byte
    for k := 0; k < 8; k++ { h := <-out; for i := range x { x[i] ^= h[i] } }
    fmt.Printf("%d %x\n", round, x[:6]); time.Sleep(15 * time.Millisecond)
  }
  b, err := exec.Command("echo", "from a child").Output(); fmt.Print(string(b), err, "\n")
}
"""


def case_go_static(c):
    go = c.need("go")
    source = c.write("work.go", GO)
    subprocess.run([go, "build", "-o", c.path("work"), source], check=True, timeout=300,
                   env={**c.environment, "CGO_ENABLED": "0", "GOCACHE": c.path("gocache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
    c.same([c.path("work")])


# ---- servers

def redis_command(stream, *words):
    stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    stream.flush()
    return redis_answer(stream)


def redis_answer(stream):
    line = stream.readline().rstrip(b"\r\n")
    if line[:1] == b"$":
        size = int(line[1:])
        return None if size < 0 else stream.read(size + 2)[:-2]
    if line[:1] in (b"+", b":"):
        return line[1:]
    raise Failed(f"redis answered {line!r}")


def case_redis(c):
    server, port = c.need("redis-server"), free_port()
    job = c.start([server, "--port", str(port), "--save", "", "--appendonly", "yes", "--dir", c.directory, "--bind", "127.0.0.1"])

    def connect():
        try:
            s = socket.create_connection(("127.0.0.1", port), timeout=30)
            return s.makefile("rwb")
        except OSError:
            return None
    stream = wait_for(connect, "redis listens")
    mover = c.mover(job, pids=[job.pid])
    rng, model, count, end = random.Random(3), {}, 0, time.monotonic() + c.options.seconds
    while time.monotonic() < end or mover.done < c.options.moves and mover.is_alive() and time.monotonic() < end + 30:
        key = b"k%d" % rng.randrange(200)
        if rng.random() < 0.5:
            model[key] = b"%d" % rng.randrange(1 << 40) * rng.randrange(1, 200)
            if redis_command(stream, b"SET", key, model[key]) != b"OK":
                raise Failed("SET")
        elif redis_command(stream, b"GET", key) != model.get(key):
            raise Failed(f"GET {key} after {count} commands")
        count += 1
        if int(redis_command(stream, b"INCR", b"n")) != count:
            raise Failed(f"INCR: not {count}")
    c.notes.append(f"{count} commands")
    mover.stop()
    stream.write(b"*1\r\n$8\r\nSHUTDOWN\r\n")
    stream.flush()
    c.finish(job, mover)


def nginx(c, extra, pids_of, may_stay=False):
    server, port = c.need("nginx"), free_port()
    os.makedirs(c.path("www"))
    blobs = {f"/f{i}": random.Random(i).randbytes(1000 * 3 ** i) for i in range(7)}
    for name, data in blobs.items():
        with open(c.path("www" + name), "wb") as f:
            f.write(data)
    os.chmod(c.directory, 0o755)
    temporary = "".join(f"{k}_temp_path {c.directory}/t_{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    c.write("nginx.conf", f"daemon off; {extra} pid {c.directory}/pid; error_log {c.directory}/error.log; user root; "
            f"events {{ worker_connections 64; }} http {{ access_log {c.directory}/access.log; {temporary} "
            f"server {{ listen 127.0.0.1:{port}; root {c.directory}/www; }} }}")
    job = c.start([server, "-p", c.directory, "-c", c.path("nginx.conf")])
    stop, counts, errors = threading.Event(), [0] * 3, []

    def client(k):
        import http.client
        rng = random.Random(k)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            while not stop.is_set():
                name = rng.choice(list(blobs))
                connection.request("GET", name)
                answer = connection.getresponse()
                if answer.status != 200 or answer.read() != blobs[name]:
                    errors.append(f"client {k}: {name}: {answer.status}")
                    return
                counts[k] += 1
                if rng.random() < 0.1:
                    connection.close()
        except Exception as e:  # pylint: disable=broad-except
            errors.append(f"client {k}: {e!r}")

    def listens():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return True
        except OSError:
            return False
    wait_for(listens, "nginx listens")
    mover = c.mover(job, pids=pids_of(job))
    clients = [threading.Thread(target=client, args=(k,), daemon=True) for k in range(3)]
    for thread in clients:
        thread.start()
    end = time.monotonic() + c.options.seconds
    while time.monotonic() < end + 30 and not errors and (time.monotonic() < end or mover.done < c.options.moves):
        if not mover.is_alive() or may_stay and mover.refused and time.monotonic() > end:
            break
        time.sleep(0.05)
    stop.set()
    for thread in clients:
        thread.join(40)
    mover.stop()
    if errors:
        raise Failed(errors[0])
    c.notes.append(f"{sum(counts)} requests")
    os.kill(job.pid, signal.SIGTERM)
    c.finish(job, mover, at_least=0 if may_stay and mover.refused else None)
    lines = sum(1 for _ in open(c.path("access.log")))
    if lines < sum(counts):
        raise Failed(f"{lines} lines in the access log for {sum(counts)} requests")


def case_nginx(c):
    nginx(c, "master_process off;", lambda job: [job.pid])


def case_nginx_workers(c):
    """Master and workers share memory: they say that they can't move, or they move; they answer in any case."""
    nginx(c, "worker_processes 2;", lambda job: None, may_stay=True)


# ---- computing

def case_xz(c):
    xz, data = c.need("xz"), c.path("data")
    rng = random.Random(5)
    words = [rng.randbytes(rng.randrange(3, 9)).hex() for _ in range(3000)]
    with open(data, "w") as f:
        for _ in range(1_100_000):
            f.write(rng.choice(words) + " ")
    command = [xz, "-T2", "-5", "--block-size=2MiB", "-c", data]
    expected = c.unmoved(command)
    c.until_moved_enough(lambda: compare(c.moved(command, at_least=0), expected))
    got = c.jobs[-1].output_bytes()
    compare(hashlib.sha256(c.unmoved([xz, "-dc"], stdin=got)).digest(), hashlib.sha256(open(data, "rb").read()).digest(), "unpacked")


def case_sort_parallel(c):
    sort, data = c.need("sort"), c.path("data")
    rng = random.Random(6)
    with open(data, "w") as f:
        for _ in range(1_500_000):
            f.write(f"{rng.randrange(1 << 60)}\n")
    c.same([sort, "--parallel=2", "-S", "40M", "-T", c.directory, data])


def case_openssl_speed(c):
    """openssl divides by its CPU time: a wrong clock shows as a wrong rate."""
    openssl = c.need("openssl")
    command = [openssl, "speed", "-mr", "-seconds", "2", "-bytes", "8192", "-evp", "sha256"]

    def rate(output):
        match = re.search(rb"\+F:\d+:[\w-]+:([\d.]+)", output)
        if not match:
            raise Failed(f"no rate in {output!r}")
        return float(match[1])
    expected = rate(c.unmoved(command))

    def once():
        out = c.moved(command, at_least=1, pause=(0.01, 0.1))
        ratio = rate(out) / expected
        c.notes.append(f"rate {ratio:.2f} of the unmoved one")
        if not 0.7 < ratio < 1.35:
            raise Failed(f"the rate by CPU time is {ratio:.2f} times the unmoved one: {out!r}")
    c.until_moved_enough(once)


# ---- terminals

class Screen:
    """tmux with one pane that runs `command`."""

    def __init__(self, c, name, command):
        self.c, self.tmux, self.socket = c, c.need("tmux"), c.path(name + ".tmux")
        self.run("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-s", "s", " ".join(["exec", *command]))
        self.pid = int(self.run("display", "-p", "-t", "s", "#{pane_pid}"))
        self.server = int(self.run("display", "-p", "-t", "s", "#{pid}"))

    def run(self, *args):
        done = subprocess.run([self.tmux, "-S", self.socket, *args], capture_output=True, text=True, timeout=20,
                              env={**self.c.environment, "TERM": "xterm"}, cwd=self.c.directory)
        if done.returncode != 0:
            raise Failed(f"tmux {args[0]}: {done.stderr.strip()}")
        return done.stdout

    def type(self, *keys):
        self.run("send-keys", "-t", "s", *keys)

    def shown(self):
        return self.run("capture-pane", "-p", "-t", "s")

    def settle(self, quiet=0.4, within=20):
        """The screen once it hasn't changed for `quiet` seconds."""
        last, since, end = self.shown(), time.monotonic(), time.monotonic() + within
        while time.monotonic() - since < quiet and time.monotonic() < end:
            time.sleep(0.05)
            now = self.shown()
            if now != last:
                last, since = now, time.monotonic()
        return last

    def close(self):
        try:
            self.run("kill-server")
        except Failed:
            pass


class PaneJob(Job):
    """A job that tmux started: the pane's process is pmirun's."""

    def __init__(self, c, directory, pid, tmux_server):  # pylint: disable=super-init-not-called
        self.run, self.directory, self.nodes, self.timeout = c.run, directory, c.nodes, c.options.command_timeout
        self.without = {n.init for n in c.nodes} | {tmux_server}
        self.log, self.control = os.path.join(directory, "supervisor.log"), os.path.join(directory, "control")
        self.ids, self.environment = {}, {**c.environment, "XDG_RUNTIME_DIR": directory}
        self.stdout_path, self.stderr_path = os.path.join(directory, "stdout"), os.path.join(directory, "stderr")
        self.moves, self.lock, self.pid = 0, threading.Lock(), pid
        self.node_log_sizes = {n.name: n.log_size() for n in c.nodes}
        self.process, self.started = None, time.monotonic()

    def is_running(self):
        return system.is_alive(self.pid)

    def end(self):
        pass


def full_screen(c, program, script, prepare=lambda: None):
    """Runs `script(screen, between)` on an unmoved and a moved program and compares what it saw; between() moves.
    prepare() is called before each."""
    prepare()
    plain = Screen(c, "plain", program)
    try:
        expected = script(plain, lambda: None)
    finally:
        plain.close()
    prepare()
    directory = c.path("pane")
    os.mkdir(directory, 0o700)
    screen = Screen(c, "moved", [c.run.tool("pmirun"), "--control", f"{directory}/control", "--keys", c.run.keys, "--log",
                                 f"{directory}/supervisor.log", "--log-level", "debug", "--", *program])
    job = PaneJob(c, directory, screen.pid, screen.server)
    c.jobs.append(job)

    def move():
        if job.where(job.pid) == HOME:
            job.migrate(job.pid, c.nodes[0])
        else:
            job.home(job.pid)
        c.moves += 1
    try:
        wait_for(lambda: os.path.exists(job.control), "the job has a control socket")
        got = script(screen, move)
        wait_for(lambda: not system.is_alive(job.pid), "the program ends")
    finally:
        screen.close()
    for n, (a, b) in enumerate(zip(got, expected)):
        compare(a.encode(), b.encode(), f"screen {n}")


def case_vim(c):
    vim = c.need("vim", "tmux")[0]
    def prepare():
        c.write("text", "".join(f"line {i} of the text to edit\n" for i in range(60)))

    def script(screen, move):
        seen = []
        screen.settle()
        for i in range(6):
            move()
            screen.type("o", f"inserted {i}", "Escape")
            move()
            screen.type("10j", "dd", "u", "x")
            seen.append(screen.settle())
        screen.type(":%s/line/LINE/", "Enter")
        seen.append(screen.settle())
        screen.run("resize-window", "-t", "s", "-x", "70", "-y", "20")
        seen.append(screen.settle())
        screen.type(":wq", "Enter")
        wait_for(lambda: not system.is_alive(screen.pid), "vim ends", 10)
        seen.append(open(c.path("text")).read())
        return seen
    full_screen(c, [vim, "-u", "NONE", "-n", "-N", c.path("text")], script, prepare)


def case_less(c):
    less = c.need("less", "tmux")[0]
    c.write("text", "".join(f"{i} squared is {i * i}\n" for i in range(5000)))

    def script(screen, move):
        seen = []
        for keys in (["Space"], ["Space"], ["/", "1234 ", "Enter"], ["G"], ["g"], ["5", "0", "%"], ["k"], ["d"], ["u"], ["-", "N", "Enter"]):
            move()
            screen.type(*keys)
            seen.append(screen.settle())
        screen.type("q")
        return seen
    full_screen(c, [less, c.path("text")], script)


def case_pty(c):
    """As under sshd: a shell on a pty of its own, job control, ^C, ^Z, a window that changes its size."""
    c.need("bash")

    def session(start, move):
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        process = start(slave)
        os.close(slave)
        unread = b""

        def read_until(text, within=20):
            nonlocal unread
            end = time.monotonic() + within
            while text not in unread:
                if time.monotonic() > end:
                    raise Failed(f"the terminal never said {text!r}, but {unread[-300:]!r}")
                if select.select([master], [], [], 0.1)[0]:
                    try:
                        unread += os.read(master, 4096)
                    except OSError:
                        raise Failed(f"the terminal was closed before it said {text!r}: {unread[-300:]!r}") from None
            unread = unread[unread.index(text) + len(text):]

        def say(text):
            os.write(master, text)
        read_until(b"$ ")
        for i in range(5):
            move(process)
            say(b"echo $((%d * 111)) | rev; echo END-$?\n" % i)
            read_until(b"END-0")
            read_until(b"$ ")
        say(b"sleep 100\n")
        read_until(b"sleep 100")
        time.sleep(0.5)
        move(process)
        say(b"\x03")
        read_until(b"$ ")
        say(b"echo st=$?\n")
        read_until(b"st=130")
        read_until(b"$ ")
        move(process)
        say(b"cat > /dev/null\n")
        read_until(b"/dev/null")
        time.sleep(0.5)
        say(b"\x1a")
        read_until(b"Stopped")
        read_until(b"$ ")
        move(process)
        say(b"fg\n")
        read_until(b"null")
        time.sleep(0.3)
        say(b"\x04")
        read_until(b"$ ")
        termios.tcsetwinsize(master, (30, 100))
        move(process)
        say(b"stty size; tty > /dev/null && echo a tty\n")
        read_until(b"30 100")
        read_until(b"a tty\r\n")
        say(b"exit 3\n")
        status = process.wait(20)
        os.close(master)
        if status != 3:
            raise Failed(f"status {status}, not 3")

    own = {**c.environment, "PS1": "$ ", "TERM": "dumb", "HISTFILE": ""}
    controlling = "import fcntl,os,sys,termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"]

    def plain(slave):
        return subprocess.Popen([sys.executable, "-c", controlling, *shell], stdin=slave, stdout=slave, stderr=slave, env=own,
                                cwd=c.directory)
    session(plain, lambda process: None)
    directory = c.path("job0")
    os.mkdir(directory, 0o700)
    jobs = []

    def under_pmirun(slave):
        command = [sys.executable, "-c", controlling, c.run.tool("pmirun"), "--control", f"{directory}/control", "--keys", c.run.keys,
                   "--log", f"{directory}/supervisor.log", "--log-level", "debug", "--", *shell]
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env={**own, "XDG_RUNTIME_DIR": directory},
                                   cwd=c.directory)
        job = PaneJob(c, directory, process.pid, 0)
        job.process = process
        jobs.append(job)
        c.jobs.append(job)
        return process

    def move(process):
        job = jobs[0]
        for _ in range(2):
            if job.where(job.pid) == HOME:
                job.migrate(job.pid, c.nodes[0])
            else:
                job.home(job.pid)
            c.moves += 1
    session(under_pmirun, move)
    left = jobs[0].leftovers()
    if left:
        raise Failed("; ".join(left[:4]))


# ---- the order of signals and moves

def signal_order(c, argument, which):
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


# ---- the samples, 20 round trips each

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


def case_storm(c):
    """Exactly once: files, pipes and signals under constant moves of everything."""
    program = c.compile(os.path.join(HERE, "guests", "storm.c"))
    out = c.moved_often(lambda seconds: [program, str(seconds), c.path("lines")], 2 * c.options.round_trips, pause=(0.005, 0.08))
    if b"pipe ok" not in out or b"storm: ok" not in out:
        raise Failed(f"output {out!r}")
    c.notes.append(f"{sum(1 for _ in open(c.path('lines'), 'rb'))} lines")


# ---- what can't move says so, and works on

def case_postgresql_says_no(c):
    initdb, postgres, psql = c.need("initdb", "postgres", "psql")
    import pwd
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise Skipped("no user postgres") from None
    port, data = free_port(), c.path("pg")
    os.chmod(c.directory, 0o755)
    os.mkdir(data, 0o700)
    os.chown(data, user.pw_uid, user.pw_gid)
    drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    c.unmoved([*drop, initdb, "-D", data, "-A", "trust", "-N"])
    job = c.start([*drop, postgres, "-D", data, "-p", str(port), "-k", data, "-F"])

    def query(text):
        done = subprocess.run([psql, "-h", data, "-p", str(port), "-U", "postgres", "-Atc", text, "postgres"], capture_output=True,
                              text=True, timeout=30, env=c.environment, cwd="/")
        return done.stdout.strip() if done.returncode == 0 else None
    wait_for(lambda: query("select 1") == "1", "postgres answers", 30)
    query("create table t (n int)")
    reasons = set()
    for i in range(10):
        for row in job.ps():
            try:
                job.migrate(row["pid"], c.nodes[0])
                c.notes.append(f"{row['pid']} moved")
            except CommandError as e:
                if not e.is_cantmove() and not e.is_gone():
                    raise Failed(f"the reason isn't a cantmove: {e}") from None
                if e.is_cantmove():
                    reasons.add(re.sub(r"\d+", "N", e.reason.split("cantmove:")[1].strip()))
        query(f"insert into t select generate_series(1, {i})")
        if query("select count(*) from t") != str(i * (i + 1) // 2):
            raise Failed(f"query after refusal {i}")
    if not reasons:
        raise Failed("nothing was refused")
    if not any(row.get("cantmove") for row in job.ps()):
        raise Failed("ps shows no cantmove")
    c.notes += sorted(reasons)
    os.kill(job.pid, signal.SIGINT)
    c.finish(job, None)


def case_io_uring_says_no(c):
    program = os.path.join(c.options.programs, "programs", "home_io_uring")
    if not os.path.exists(program):
        raise Skipped(f"{program} isn't built")
    from driver import PointServer
    refused, other = [], []

    def at_point(pid, line, n):
        wait_for(lambda: c.jobs, "the job")
        try:
            c.jobs[0].migrate(pid, c.nodes[0])
            other.append("it moved")
        except CommandError as e:
            (refused if e.is_cantmove() and "io_uring" in e.reason else other).append(e.reason)
    server = PointServer(c.path("point"), at_point)
    job = c.start([program], env={"PMI_MIGRATE_POINT": c.path("point")})
    out = c.finish(job, None)
    server.close()
    if other or not refused or b"EXIT-SUCCESS" not in out:
        raise Failed(f"refused {refused}, otherwise {other}, output {out!r}")
    c.notes.append(refused[0])


# ---- running the cases

def all_cases():
    return {name[5:]: f for name, f in globals().items() if name.startswith("case_")}


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
    with nodes_module.Run(options.build, options.nodes, options.user, other_clocks=not options.same_clocks, others=options.node,
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

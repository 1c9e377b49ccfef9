"""What can't move says so, and works on."""

import os
import re
import signal
import subprocess

from case import Failed, Skipped, free_port, wait_for
from driver import CommandError, PointServer


def case_postgresql_says_no(c):
    initdb, postgres, psql = c.need("initdb", "postgres", "psql")
    c.need_root()  # it runs as a user of its own
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

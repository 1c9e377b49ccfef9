"""stress-ng: hundreds of small programs about one thing each, which check themselves (--verify), moved about."""

import re
import subprocess

from case import HERE, Failed, Skipped

# What must not be tried on a machine that others use, or needs hardware of its own.
DANGEROUS = set("""apparmor bad-ioctl binderfs cpu-online dev fallocate hotplug kvm loadavg lockbus loop module msr netlink-proc oom-pipe
physpage quota ramfs rawdev reset resources rtc smi softlockup swap sysfs tun watchdog""".split())
# Whose moves fail for good reasons: disks that hold threads up for seconds, threads made faster than they can be stopped.
HARD_TO_STOP = {"clone", "fpunch", "pthread", "punch-hole", "resched"}


def complaint_in(text):
    return re.search(r"stress-ng: (fail|error).*", text)


def stressor(c, name):
    c.need("gcc")
    program = c.need("stress-ng")
    library = c.path("private_memory.so")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, f"{HERE}/guests/private_memory.c"], check=True, timeout=60)
    environment = {"LD_PRELOAD": library}
    command = [program, f"--{name}", "1", "-t", "3", "--verify", "--temp-path", c.directory, "--no-rand-seed"]
    native = subprocess.run(["env", f"LD_PRELOAD={library}", *command], capture_output=True, cwd=c.directory, timeout=60,
                            stdin=subprocess.DEVNULL, **c.ids)
    text = (native.stdout + native.stderr).decode(errors="replace")
    if native.returncode != 0 or complaint_in(text) or "No stress workers invoked" in text or "skipp" in text:
        raise Skipped(f"by itself: {' '.join(text.split())[-160:]}")
    job = c.start(command, env=environment)
    mover = c.mover(job, pause=(0.02, 0.15))
    try:
        c.finish(job, mover, at_least=0)
    except Failed as e:
        if not (str(e).startswith("a move failed") and name in HARD_TO_STOP):
            raise
        c.notes.append(str(e))
    complaint = complaint_in(job.output() + job.errors())
    if complaint:
        raise Failed(complaint[0])


def stressor_names():
    """All that the installed stress-ng has."""
    try:
        done = subprocess.run(["stress-ng", "--stressors"], capture_output=True, text=True, timeout=20)
    except FileNotFoundError:
        return []
    return [name for name in done.stdout.split() if name not in DANGEROUS]


def stressor_cases():
    """By name: stress_NAME, with underscores."""
    return {f"stress_{name.replace('-', '_')}": lambda c, name=name: stressor(c, name) for name in stressor_names()}

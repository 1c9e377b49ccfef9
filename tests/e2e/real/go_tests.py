"""The tests of Go's standard library, a case for each package: each test's verdict while it moves is that of the unmoved run.

These are static programs with a runtime of their own: raw system calls, threads made by clone, signals as a means of scheduling."""

import os
import re
import subprocess
import time
import zipfile

from case import Failed, Skipped

from .python_tests import compare_verdicts

SOURCE = "/usr/lib/go-1.19/src"
# Go's own compiler and tools, and what is the kernel of another system.
LEFT_OUT = ("cmd", "debug", "go", "internal/syscall/windows", "testdata", "vendor")
ZONES = ("America/Los_Angeles", "America/New_York", "Asia/Baghdad", "Asia/Jerusalem", "Asia/Kathmandu", "Asia/Shanghai", "Australia/Sydney",
         "Europe/Berlin", "Europe/Dublin", "Europe/London", "GB", "UTC")


def verdicts(text):
    """By the test's full name, from what -test.v prints: a failure if any of its runs fails. A test may have printed the beginning of
    the line."""
    found = {}
    for verdict, name in re.findall(r"--- (PASS|FAIL|SKIP): (\S+) \(", text.decode(errors="replace")):
        if found.get(name) != "FAIL":
            found[name] = verdict
    return found


def copy_of_source(c, package):
    """Tests write where they are, and read what is beside them: the package's whole family is copied, the others are links."""
    family = package.split("/")[0]
    directory = c.path("src")
    os.mkdir(directory)
    for name in os.listdir(SOURCE):
        if name != family:
            os.symlink(f"{SOURCE}/{name}", f"{directory}/{name}")
    subprocess.run(["cp", "-rL", f"{SOURCE}/{family}", directory], check=True, timeout=60)
    if c.ids:
        subprocess.run(["chown", "-Rh", str(c.ids["user"]), directory], check=True, timeout=60)
    os.makedirs(c.path("lib/time"))  # Debian's package has none
    with zipfile.ZipFile(c.path("lib/time/zoneinfo.zip"), "w") as f:
        for zone in ZONES:
            if os.path.exists(f"/usr/share/zoneinfo/{zone}"):
                f.write(f"/usr/share/zoneinfo/{zone}", zone)
    return f"{directory}/{package}"


def go_test(c, package):
    go = c.need("go")
    c.environment["GOCACHE"] = os.environ.get("GOCACHE", c.path("go-cache"))
    program = c.path("package.test")
    made = subprocess.run([go, "test", "-c", "-o", program, package], cwd=c.directory, env=c.environment, capture_output=True,
                          timeout=600, **c.ids)
    if made.returncode or not os.path.exists(program):
        raise Skipped(f"has no tests that can be built: {made.stderr.decode(errors='replace')[-200:]}")
    directory = copy_of_source(c, package)
    command = ["bash", "-c", '"$@" 2>&1; true', "bash", program, "-test.v", "-test.short"]
    try:
        begin = time.monotonic()
        expected = verdicts(c.unmoved(command, cwd=directory))
        rounds = min(1000, int(2 / (time.monotonic() - begin)))
        if rounds > 1:  # what ends at once is hardly moved
            command.append(f"-test.count={rounds}")
            expected = verdicts(c.unmoved(command, cwd=directory))
    except subprocess.TimeoutExpired as e:
        raise Skipped(f"takes longer than {c.options.timeout} s by itself") from e
    if not expected:
        raise Skipped("has no test that runs by itself")
    for runs in range(1, 7):
        text = c.moved(command, cwd=directory, at_least=0, pause=(0.005, 0.1))
        try:
            compare_verdicts(expected, verdicts(text))
        except Failed as e:
            raise Failed(f"{e}\n{said_of_failures(text)}") from e
        if sum(m.done for m in c.movers) >= c.options.moves:
            break
    c.notes.append(f"{len(expected)} tests, {runs} times")


def said_of_failures(text, lines=40):
    """What was printed about the first failure or panic."""
    said = text.decode(errors="replace").splitlines()
    at = next((i for i, line in enumerate(said) if re.search(r"--- FAIL|^panic:|^fatal error:|^SIG[A-Z]+:", line)), len(said))
    return "\n".join(said[max(0, at - 10):at + lines])


def packages():
    for directory, below, files in os.walk(SOURCE, followlinks=True):
        package = os.path.relpath(directory, SOURCE)
        below[:] = [name for name in below if os.path.normpath(f"{package}/{name}") not in LEFT_OUT and name != "testdata"]
        if any(name.endswith("_test.go") for name in files):
            yield package


def go_test_cases():
    """By name: go_test_PACKAGE, with underscores."""
    return {f"go_test_{package.replace('/', '_')}": lambda c, package=package: go_test(c, package) for package in sorted(packages())}

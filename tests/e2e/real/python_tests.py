"""Python's own tests, a case for each of its test files: each test's verdict while it moves is that of the unmoved run."""

import glob
import os
import re
import subprocess

from case import Failed, Skipped

DIRECTORY = "/usr/lib/python3.11/test"
# What needs the network, a screen or many minutes, or tests Python's own compiler and tools only.
LEFT_OUT = set("""asdl_parser clinic distutils idle lib2to3 nntplib peg_generator robotparser smtpnet timeout tix tk tools
ttk_guionly ttk_textonly turtle urllib2net urllibnet winconsoleio winreg winsound zipfile64 zoneinfo""".split())


def verdicts(text):
    """By the test's full name, from what regrtest -v prints. Of a test that prints in between only the end of a line is its
    verdict."""
    found, name = {}, None
    for line in text.decode(errors="replace").splitlines():
        named, said = re.match(r"test\w* \(([\w.]+)\)", line), re.search(r"(?:\.\.\. ?|^)(ok|FAIL|ERROR|skipped)\b", line)
        name = named[1] if named else name
        if said and name:
            found[name], name = said[1], None
    return found


def compare_verdicts(expected, got):
    different = [f"{name}: {got.get(name)}, not {verdict}" for name, verdict in expected.items() if got.get(name) != verdict]
    if different:
        raise Failed(f"{len(different)} of {len(expected)} tests: {'; '.join(different[:5])}")


def python_tests(c, *names, at_least=None):
    python = c.need("/usr/bin/python3")
    if not os.path.exists(f"{DIRECTORY}/test_eintr.py"):
        raise Skipped("libpython3.11-testsuite isn't installed")
    command = ["bash", "-c", '"$@" 2>&1; true', "bash", python, "-m", "test", "-v", *(f"test_{name}" for name in names)]
    try:
        expected = verdicts(c.unmoved(command))
    except subprocess.TimeoutExpired as e:
        raise Skipped(f"takes longer than {c.options.timeout} s by itself") from e
    if not expected:
        raise Skipped("has no test that runs by itself")
    compare_verdicts(expected, verdicts(c.moved(command, at_least=at_least)))
    c.notes.append(f"{len(expected)} tests")


def python_test_cases():
    """By name: python_test_NAME."""
    paths = glob.glob(f"{DIRECTORY}/test_*.py") + [os.path.dirname(path) for path in glob.glob(f"{DIRECTORY}/test_*/__init__.py")]
    names = sorted(os.path.basename(path)[5:].removesuffix(".py") for path in paths)
    return {f"python_test_{name}": lambda c, name=name: python_tests(c, name, at_least=0) for name in names if name not in LEFT_OUT}

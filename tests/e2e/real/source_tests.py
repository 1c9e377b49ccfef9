"""Other projects' own tests, of which Debian has no package: each test's verdict while it moves is that of the unmoved run.

PMI_TEST_SOURCES names a folder with unpacked sources of the installed versions, `perl`, `tcl8.6` and `redis` (apt-get source)."""

import glob
import os
import re
import subprocess

from case import Skipped

from .python_tests import compare_verdicts

SOURCES = os.environ.get("PMI_TEST_SOURCES", "")
PERL_LIBRARIES = ("/usr/share/perl/{0}", "/usr/lib/x86_64-linux-gnu/perl/{0}", "/usr/lib/x86_64-linux-gnu/perl-base")
# Those that ask the kernel for most. What is computing only is left out, but for the core's own.
PERL_DIRECTORIES = """t/cmd t/comp t/io t/lib t/mro t/op t/run t/uni cpan/DB_File cpan/File-Temp cpan/IO-Socket-IP cpan/IO-Zlib
cpan/IPC-Cmd cpan/IPC-SysV cpan/Socket dist/IO dist/Storable dist/Thread-Queue dist/Tie-File dist/Time-HiRes dist/threads
dist/threads-shared ext/Errno ext/Fcntl ext/File-Find ext/IPC-Open3 ext/POSIX ext/PerlIO-scalar ext/PerlIO-via""".split()
TCL_FILES = "async chan chanio clock cmdAH event exec fCmd fileName fileSystem http interp io ioCmd safe socket timer unixInit zlib".split()
REDIS_UNITS = """unit/aofrw unit/auth unit/bitops unit/expire unit/introspection unit/keyspace unit/latency-monitor unit/maxmemory unit/multi
unit/networking unit/obuf-limits unit/other unit/pubsub unit/querybuf unit/scan unit/scripting unit/shutdown unit/sort unit/tracking
unit/type/list unit/type/set unit/type/stream unit/type/zset integration/aof integration/rdb integration/redis-cli
integration/replication integration/block-repl integration/convert-zipmap-hash-on-load integration/psync2""".split()


def copy_of_source(c, name):
    """Tests write where they are."""
    source = c.path(name)
    subprocess.run(["cp", "-r", f"{SOURCES}/{name}", source], check=True, timeout=60)
    subprocess.run(["chmod", "-R", "u+w", source], check=True, timeout=60)
    return source


def same_verdicts(c, command, where, verdicts):
    if c.ids:
        subprocess.run(["chown", "-Rh", str(c.ids["user"]), where], check=True, timeout=60)
    try:
        expected = verdicts(c.unmoved(command, cwd=where))
    except subprocess.TimeoutExpired as e:
        raise Skipped(f"takes longer than {c.options.timeout} s by itself") from e
    if not expected:
        raise Skipped("has no test that runs by itself")
    compare_verdicts(expected, verdicts(c.moved(command, cwd=where, at_least=0, pause=(0.005, 0.1))))
    c.notes.append(f"{len(expected)} tests")


def perl_verdicts(text):
    """By file and number, from what each prints (TAP); and each file's status."""
    found, file = {}, None
    for line in text.decode(errors="replace").splitlines():
        if named := re.match(r"=== (\S+\.t)$", line):
            file = named[1]
        elif status := re.search(r"=== (\d+)$", line):
            found[f"{file} status"] = status[1]
        elif said := re.match(r"(ok|not ok) (\d+)\b", line):
            found[f"{file} {said[2]}"] = said[1]
    return found


def perl_test(c, directory):
    """Each file by itself, in its directory; modules are those of the installed perl."""
    perl = c.need("perl")
    source = copy_of_source(c, "perl")
    version = subprocess.run([perl, "-e", 'printf "%vd", $^V'], check=True, capture_output=True, text=True, timeout=20).stdout
    for library in PERL_LIBRARIES:
        subprocess.run(["cp", "-rLn", f"{library.format(version)}/.", f"{source}/lib"], timeout=60, check=False)
    of_core = directory.startswith("t/")
    where = f"{source}/t" if of_core else f"{source}/{directory}"
    files = sorted(os.path.relpath(f, where) for f in glob.glob(f"{source}/{directory}/*.t" if of_core else f"{where}/t/*.t"))
    for place in {source, where}:
        os.symlink(perl, f"{place}/perl")
    run = """for file; do echo "=== $file"; ./perl "$file" </dev/null 2>&1; echo "=== $?"; done; true"""
    same_verdicts(c, ["bash", "-c", run, "bash", *files], where, perl_verdicts)


def tcl_verdicts(text):
    return {m[1]: m[2] for m in re.finditer(r"^(?:\+\+\+\+|====) (\S+) (?:.* )?(PASSED|FAILED|SKIPPED)",
                                             text.decode(errors="replace"), re.MULTILINE)}


def tcl_test(c, name):
    tcl = c.need("tclsh8.6")
    where = f"{copy_of_source(c, 'tcl8.6')}/tests"
    command = ["bash", "-c", '"$@" 2>&1; true', "bash", tcl, f"{name}.test", "-verbose", "pass skip body error"]
    same_verdicts(c, command, where, tcl_verdicts)


def redis_verdicts(text):
    """By name; how long a test took is no part of it."""
    found = {}
    for verdict, name in re.findall(r"\[(ok|err|skip|ignore|exception)\]: (.*?)(?: \(\d+ ms\))?$",
                                    re.sub("\x1b\\[[0-9;]*m", "", text.decode(errors="replace")), re.MULTILINE):
        if found.get(name, "ok") == "ok":
            found[name] = verdict
    return found


def redis_test(c, unit):
    c.need("tclsh8.6", "redis-server")
    source = copy_of_source(c, "redis")
    for program in ("server", "cli", "benchmark", "check-rdb", "check-aof"):
        link = f"{source}/src/redis-{program}"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(c.need(f"redis-{program}"), link)
    command = ["bash", "-c", '"$@" 2>&1; true', "bash", "tclsh8.6", "tests/test_helper.tcl", "--single", unit, "--clients", "1"]
    same_verdicts(c, command, source, redis_verdicts)


def source_test_cases():
    """By name: perl_test_DIRECTORY, tcl_test_FILE, redis_test_UNIT, with underscores."""
    if not SOURCES:
        return {}
    suites = (("perl", perl_test, PERL_DIRECTORIES), ("tcl", tcl_test, TCL_FILES), ("redis", redis_test, REDIS_UNITS))
    return {f"{suite}_test_{re.sub('[/-]', '_', name)}": lambda c, test=test, name=name: test(c, name)
            for suite, test, names in suites for name in names}

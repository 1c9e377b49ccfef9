"""Command lines: usage, --help, --version, files and programs that they name."""

import os
import re

import zmtp
from bad_input_cases.tester import CANT_RUN, LAUNCHER, NOT_FOUND, USAGE, Failed, write


def case_help_and_version(t):
    for tool in ("pmirun", "pmictl", "pmid"):
        for option in ("--help", "-h"):
            text = t.works(tool, option)
            if tool not in text.lower() or "--version" not in text:
                raise Failed(f"{tool} {option} says {text!r}")
        if not re.fullmatch(rf"{tool} \d+\.\d+\.\d+\n", t.works(tool, "--version")):
            raise Failed(f"{tool} --version says {t.works(tool, '--version')!r}")
    for command in ("ps", "migrate", "home", "where", "cancel", "nodes", "ping", "key"):
        if command not in t.works("pmictl", "--help"):
            raise Failed(f"pmictl --help doesn't name {command}")
        t.works("pmictl", command, "--help")
    for action in ("show", "list", "trust", "remove"):
        t.works("pmictl", "key", action, "--help")


def case_output_that_is_lost(t):
    with open("/dev/full", "w") as full:
        for tool in ("pmirun", "pmictl", "pmid"):
            for option in ("--help", "--version"):
                t.fails(tool, option, stdout=full, says=("standard output", "No space left"))
        t.fails("pmictl", "ps", stdout=full, says=("standard output", "No space left"))


def case_pmictl_usage(t):
    def usage(*words, says=()):
        t.fails("pmictl", *words, status=USAGE, says=says)
    usage()
    usage("frobnicate", says="frobnicate")
    usage("--frobnicate", says="--frobnicate")
    usage("ps", "--frobnicate", says="--frobnicate")
    usage("migrate", t.pid, says="NODE")
    usage("migrate", says="PID")
    usage("home", says="PID")
    usage("where", says="PID")
    usage("migrate", t.pid, "there", "further", says="further")
    usage("migrate", t.pid, "there", "--mode", "teleport", says="teleport")
    usage("migrate", t.pid, "there", "--mode", says="--mode")
    usage("key", says="key")
    usage("key", "frobnicate", says="frobnicate")
    usage("key", "trust", says="KEY")
    usage("key", "remove", says="NAME")
    usage("ping", says="NODE")
    usage("nodes", "there", says="there")
    for command in ("where", "home", "cancel"):
        for pid in ("abc", "0", "-5", "12x", "99999999999999999999", ""):
            usage(command, "--", pid, says=(f"{pid} is no PID" if pid else "PID"))
    usage("migrate", "abc", "there", says="abc is no PID")


def case_pmid_usage(t):
    def usage(*words, says=()):
        t.fails("pmid", *words, status=USAGE, says=says)
    usage("--frobnicate", says="--frobnicate")
    usage("surplus", says="surplus")
    for listen in ("garbage:port", "127.0.0.1:99999", "127.0.0.1:", "::1:7700", ":7700", "[::1:7700", "a b:7700"):
        usage("--listen", listen, says=("--listen", listen))
    usage("--listen", says="--listen")
    usage("--name", "with blanks", says=("--name", "with blanks"))
    usage("--name", "", says="--name")
    usage("--max-guests", "many", says=("--max-guests", "many"))
    usage("--max-guests", "-1", says=("--max-guests", "-1"))
    usage("--memory-max", "lots", says=("--memory-max", "lots"))
    usage("--log-level", "loud", says=("loud", "trace"))


def case_pmid_cannot_start(t):
    with zmtp.Server(lambda c: None) as busy:
        t.fails("pmid", "--listen", busy.address, says=(busy.address, "Address already in use"))
    t.fails("pmid", "--listen", "192.0.2.1:7700", says=("192.0.2.1:7700", "Cannot assign requested address"))
    t.fails("pmid", "--listen", "nosuchhost.invalid:7700", says="nosuchhost.invalid")
    t.fails("pmid", "--listen", "127.0.0.1:0", "--log", "/proc/none/pmid.log", says=("/proc/none/pmid.log", "No such file"))
    t.fails("pmid", "--listen", "127.0.0.1:0", "--keys", "/proc/none", says="/proc/none", PMI_KEYS=None)


def case_pmirun_usage(t):
    def usage(*words, says=()):
        t.fails("pmirun", *words, status=LAUNCHER, says=says)
    usage(says="no PROGRAM")
    usage("--", says="no PROGRAM")
    usage("--frobnicate", "true", says="--frobnicate")
    usage("-x", "true", says="-x")
    usage("--away=now", "true", says="--away")
    for option in ("--node", "--control", "--keys", "--name", "--log", "--log-level", "--io-uring", "--cpu-baseline"):
        usage(option, says=(option, "value"))
    usage("--node", "", "true", says="--node")
    usage("--control", "", "true", says="--control")
    usage("--keys", "", "true", says="--keys")
    usage("--log", "", "true", says="--log")
    usage("--log-level", "loud", "true", says="loud")
    usage("--io-uring", "maybe", "true", says="maybe")
    usage("--cpu-baseline", "i386", "true", says="i386")


def case_pmirun_paths(t):
    def fails(*words, says=(), **more):
        t.fails("pmirun", *words, "true", status=LAUNCHER, says=says, **more)
    directory = t.fresh("paths")
    fails("--control", f"{directory}/none/socket", says=(f"{directory}/none/socket", "No such file"))
    file = write(f"{directory}/file", "mine\n")
    fails("--control", file, says=(file, "Address already in use"))
    if open(file).read() != "mine\n":
        raise Failed("pmirun has destroyed a file")
    fails("--control", directory, says=(directory, "Address already in use"))
    fails("--control", t.witness.control, says=(t.witness.control, "Address already in use"))
    fails("--log", f"{directory}/none/log", says=("--log", f"{directory}/none/log", "No such file"))
    fails("--log", directory, says=("--log", directory, "Is a directory"))


def case_pmirun_program(t):
    directory = t.fresh("program")

    def fails(status, program, *says, **more):
        t.fails("pmirun", program, status=status, says=(program, *says), **more)
    plain = write(f"{directory}/plain", "#!/bin/sh\n", 0o644)
    no_interpreter = write(f"{directory}/script", "#!/no/interpreter\n", 0o755)
    fails(NOT_FOUND, "no-such-program-anywhere", "No such file")
    fails(NOT_FOUND, f"{directory}/none", "No such file")
    fails(NOT_FOUND, no_interpreter, "No such file")
    t.fails("pmirun", "", status=NOT_FOUND, says="No such file")
    fails(CANT_RUN, directory, "Permission denied")
    fails(CANT_RUN, plain, "Permission denied")
    fails(CANT_RUN, f"{plain}/below", "Not a directory")
    fails(CANT_RUN, "plain", "Permission denied", PATH=directory)
    fails(NOT_FOUND, "absent", "No such file", PATH=f"{directory}:/root/nowhere")
    broken = write(f"{directory}/broken", "\x7fELF\x02\x01\x01" + "\0" * 200, 0o755)
    if (done := t.call("pmirun", broken)).returncode not in (CANT_RUN, NOT_FOUND, 2) or not done.stderr:
        raise Failed(f"a broken program: status {done.returncode}, {done.stderr!r}")
    t.wait_for(lambda: len(os.listdir(f"{t.directory}/pmi")) == 1, "no control sockets are left but the witness's")

"""The two configuration files."""

import json
import os
import signal
import subprocess
import time

import system
from bad_input_cases.tester import USAGE, Failed, Skipped, write

BAD_CONFIGURATIONS = {
    "syntax": ("[pmi\nnode = 1", "1"),
    "unknown table": ("[pmi]\nnode = \"there\"\n[nodez.a]\naddress = \"a\"\n", "nodez"),
    "unknown key": ("[pmi]\nnodes = \"there\"\n", "nodes"),
    "wrong type": ("[pmi]\nnode = 7\n", "node must be a string"),
    "bad address": ("[nodes.big]\naddress = \"big:port\"\n", "port"),
    "no address": ("[nodes.big]\n", "big"),
    "bad key": ("[nodes.big]\naddress = \"big\"\nkey = \"short\"\n", "public key"),
    "bad name": ("[nodes.\"a b\"]\naddress = \"big\"\n", "a b"),
    "not UTF-8": (b"[pmi]\nnode = \"\xff\xfe\"\n", ":2"),
}


def commands_that_read_it(t, path, word, home):
    place = f"{path}:"
    for command in (["nodes"], ["ping", "there"]):
        t.fails("pmictl", *command, says=(place, word), HOME=home)
    t.fails("pmictl", "key", "list", says=(place, word), HOME=home, PMI_KEYS=None)
    t.fails("pmid", "--listen", "127.0.0.1:0", status=USAGE, says=(place, word), HOME=home)
    # The supervisor reads it for each move, with its own HOME.
    directory = t.fresh("configured")
    with open(f"{directory}/out", "wb") as out:
        program = subprocess.Popen([t.run.tool("pmirun"), "--", t.program, "100000", "1"], stdout=out, cwd="/",
                                   stderr=subprocess.STDOUT, env=t.environment(HOME=home, XDG_RUNTIME_DIR=directory))
    try:
        end = time.monotonic() + 10
        while not os.path.getsize(f"{directory}/out") and time.monotonic() < end:
            time.sleep(0.005)
        t.fails("pmictl", "migrate", program.pid, "there", says=(place, word), XDG_RUNTIME_DIR=directory)
        os.kill(program.pid, signal.SIGRTMAX - 1)  # to the default node, which the file would name
        end = time.monotonic() + 10
        while True:
            rows = json.loads(t.works("pmictl", "ps", "--json", XDG_RUNTIME_DIR=directory))
            if any(place in row.get("last_error", "") for row in rows):
                break
            if time.monotonic() > end:
                raise Failed(f"a signal that can't be followed leaves no last_error: {rows}")
        if program.poll() is not None:
            raise Failed("the program has ended")
    finally:
        program.kill()
        program.wait()


def case_configuration_of_the_user(t):
    for name, (text, word) in BAD_CONFIGURATIONS.items():
        home = t.fresh("home")
        path = f"{home}/.config/pmi/pmi.toml"
        os.makedirs(os.path.dirname(path))
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        if name in ("syntax", "wrong type"):
            commands_that_read_it(t, path, word, home)
        else:
            t.fails("pmictl", "nodes", says=(f"{path}:", word), HOME=home)
    home = t.fresh("home")
    os.makedirs(f"{home}/.config/pmi/pmi.toml")
    t.fails("pmictl", "nodes", says=(f"{home}/.config/pmi/pmi.toml", "Is a directory"), HOME=home)
    if os.geteuid() != 0:
        home = t.fresh("home")
        write(f"{home}/.config/pmi/pmi.toml", "", 0o000)
        t.fails("pmictl", "nodes", says=(f"{home}/.config/pmi/pmi.toml", "Permission denied"), HOME=home)


def case_configuration_of_the_machine(t):
    """/etc/pmi/pmi.toml, in a mount namespace of this case's own."""
    if os.geteuid() != 0 or t.run.mode != "namespace":
        raise Skipped("needs a mount namespace")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            system.unshare(system.CLONE_NEWNS)
            system.mount("none", "/", None, system.MS_REC | system.MS_PRIVATE)
            upper, work = t.fresh("upper"), t.fresh("work")
            system.mount("overlay", "/etc", "overlay", 0, f"lowerdir=/etc,upperdir={upper},workdir={work}")
            os.makedirs("/etc/pmi", exist_ok=True)
            write("/etc/pmi/pmi.toml", "[pmi]\nnode = 7\n", 0o644)
            commands_that_read_it(t, "/etc/pmi/pmi.toml", "node must be a string", t.fresh("home"))
            status = 0
        except Failed as e:
            print(f"  {e}", flush=True)
        except OSError as e:
            print(f"  {e}", flush=True)
            status = 77
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 77:
        raise Skipped("no overlay mount")
    if status != 0:
        raise Failed("see above")

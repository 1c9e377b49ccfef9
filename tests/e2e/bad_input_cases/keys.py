"""Key files, key directories, pmictl key."""

import os
import re

from bad_input_cases.tester import PMI_FAILED, Failed, write
from driver import CommandError

KEY = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")


def case_key_files(t):
    good = t.fresh("keys")
    key = t.works("pmictl", "key", "show", PMI_KEYS=good).strip()
    if not KEY.fullmatch(key):
        raise Failed(f"key show says {key!r}")
    pair = open(f"{good}/secret").read()
    other = t.works("pmictl", "key", "show", PMI_KEYS=t.fresh("keys")).strip()

    def bad(text, *says, mode=0o600, directory_mode=0o700, owner=None):
        directory = t.fresh("keys")
        write(f"{directory}/secret", text, mode)
        os.chmod(directory, directory_mode)
        if owner is not None:
            os.chown(f"{directory}/secret", owner, owner)
        t.fails("pmictl", "key", "show", says=(directory, *says), PMI_KEYS=directory)
        t.fails("pmictl", "ping", t.node.address, says=(directory, *says), PMI_KEYS=directory)
        t.fails("pmid", "--listen", "127.0.0.1:0", says=(directory, *says), PMI_KEYS=directory)
        return directory
    bad(pair, "mode 0644", mode=0o644)
    bad(pair, "mode 0770", directory_mode=0o770)
    bad("", "not a key pair")
    bad("short\nshorter\n", "not a key pair")
    bad(pair + "more\n", "not a key pair")
    bad(other + "\n" + pair.split("\n")[1] + "\n", "doesn't belong to the secret key")
    bad("x" * 10000, "too long")
    directory = bad(pair, "mode 0640", mode=0o640)
    # The worker of a job says the same.
    job = t.another_job(1, "--keys", directory)
    try:
        job.migrate(job.pid, t.node)
        raise Failed("a secret key that others may read is used")
    except CommandError as e:
        if directory not in e.reason or "mode 0640" not in e.reason:
            raise Failed(f"a move with a secret key that others may read: {e}") from None
    finally:
        t.end_job(job)


def case_key_directories(t):
    file = write(f"{t.fresh('keys')}/file", "")
    for keys, says in ((file, "Not a directory"), (f"{file}/below", "Not a directory"), ("/proc/none", "/proc/none")):
        t.fails("pmictl", "key", "show", says=(keys, says), PMI_KEYS=keys)
        t.fails("pmictl", "--keys", keys, "key", "show", says=(keys, says), PMI_KEYS=None)
    t.fails("pmictl", "key", "show", says="HOME", PMI_KEYS=None, HOME=None)
    if os.geteuid() != 0:
        unwritable = t.fresh("keys")
        os.chmod(unwritable, 0o500)
        t.fails("pmictl", "key", "show", says=(unwritable, "Permission denied"), PMI_KEYS=unwritable)
        t.fails("pmictl", "key", "show", says=(f"{unwritable}/below", "Permission denied"), PMI_KEYS=f"{unwritable}/below")


def case_key_commands(t):
    keys = t.fresh("keys")
    own = t.works("pmictl", "key", "show", PMI_KEYS=keys).strip()
    other = t.works("pmictl", "key", "show", PMI_KEYS=t.fresh("keys")).strip()
    third = t.works("pmictl", "key", "show", PMI_KEYS=t.fresh("keys")).strip()

    def fails(*words, says=(), status=PMI_FAILED):
        t.fails("pmictl", "key", *words, says=says, status=status, PMI_KEYS=keys)
    fails("trust", "nonsense", says=("nonsense", "not a public key"))
    fails("trust", other[:-1], says="not a public key")
    for name in ("../secret", "a/b", ".hidden", "a b", "x" * 65):
        fails("trust", "--", other, name, says=(name, "name"))
    t.works("pmictl", "key", "trust", "--", other, "big", PMI_KEYS=keys)
    t.works("pmictl", "key", "trust", "--", other, "big", PMI_KEYS=keys)
    fails("trust", "--", third, "big", says=("big", "taken"))
    if t.works("pmictl", "key", "list", PMI_KEYS=keys) != f"{other} big\n":
        raise Failed("key list")
    fails("remove", "small", says="small")
    fails("remove", "../secret", says="../secret")
    fails("remove", "--", third, says=third)
    write(f"{keys}/trusted/broken", "nonsense\n")
    done = t.call("pmictl", "key", "list", PMI_KEYS=keys)
    if done.returncode != 0 or done.stdout != f"{other} big\n" or "broken" not in done.stderr:
        raise Failed(f"key list with a broken file: {done}")
    t.works("pmictl", "key", "remove", "big", PMI_KEYS=keys)
    if t.works("pmictl", "key", "show", PMI_KEYS=keys).strip() != own:
        raise Failed("our own key has changed")

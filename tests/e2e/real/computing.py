"""What computes."""

import hashlib
import random
import re

from case import Failed, compare


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

"""Repetitions that take turns, and what comes out of them: rows of a table.

What is compared runs side by side: in each repetition every side once, in another order each time, so that the noise of
the machine hits all of them. A ratio is the median of the repetitions' ratios. How far such a median can be trusted says
the plain side, which runs twice in a repetition and is compared with itself: "noise" is what its ratio shows (the larger
of its distance from 1 and of the 95 % interval of a median, 1.57 IQR / sqrt(n): McGill, Tukey, Larsen 1978)."""

import dataclasses
import math
import os
import select
import statistics
import subprocess
import time

SHORT = 3  # so many times the repetitions, for what takes but milliseconds
PASS, FAIL, NOISE, NONE = "pass", "FAIL", "noise", "-"


class BenchError(Exception):
    pass


def take_turns(sides, repeat):
    """Calls each of `sides` (name: function) once a repetition; gives name: list of what they returned. One more
    repetition comes first, and doesn't count."""
    names, got = list(sides), {name: [] for name in sides}
    for n in range(repeat + 1):
        for name in names[n % len(names):] + names[:n % len(names)]:
            value = sides[name]()
            if n > 0:
                got[name].append(value)
    return got


def ratio(values, base):
    return statistics.median(v / b for v, b in zip(values, base))


def noise_of(values, again):
    """How far from 1 the ratio of two equal sides may be by chance."""
    ratios = [v / a for v, a in zip(values, again)]
    quarter = statistics.quantiles(ratios, n=4) if len(ratios) > 2 else [min(ratios), 1, max(ratios)]
    interval = 1.57 * (quarter[2] - quarter[0]) / math.sqrt(len(ratios))
    return max(abs(statistics.median(ratios) - 1), interval)


@dataclasses.dataclass
class Row:
    """`base` and `value` are medians of what is compared, `result` what has the target: mostly their ratio."""
    name: str
    unit: str
    base: float
    value: float
    result: float
    result_unit: str = "x"
    at_most: float = None
    at_least: float = None
    noise: float = None  # as a part of the ratio
    note: str = ""
    more: dict = dataclasses.field(default_factory=dict)

    @property
    def target(self):
        if self.at_most is not None:
            return f"<= {self.at_most:g} {self.result_unit}"
        return f">= {self.at_least:g} {self.result_unit}" if self.at_least is not None else NONE

    @property
    def mark(self):
        missed_by = (self.result - self.at_most if self.at_most is not None
                     else self.at_least - self.result if self.at_least is not None else None)
        if missed_by is None:
            return NONE
        return PASS if missed_by <= 0 else NOISE if missed_by <= (self.noise or 0) else FAIL

    def as_json(self):
        return {**dataclasses.asdict(self), "target": self.target, "mark": self.mark}

    def columns(self):
        return (self.name, figure(self.base), figure(self.value), self.unit, f"{figure(self.result)} {self.result_unit}",
                self.target, self.mark, "" if self.noise is None else f"{100 * self.noise:.1f} %", self.note)


def compare(name, unit, got, side, base, again=None, inverse=False, **more):
    """A row: `side` against `base`. `again`: the same as `base`, for the noise. `inverse`: speed, for times."""
    values, bases = got[side], got[base]
    return Row(name, unit, statistics.median(bases), statistics.median(values),
               ratio(bases, values) if inverse else ratio(values, bases),
               noise=noise_of(got[again], bases) if again else None,
               more={"values": {key: got[key] for key in (base, side)}}, **more)


def figure(x):
    if x is None:
        return ""
    return f"{x:.3f}" if abs(x) < 10 else f"{x:.1f}" if abs(x) < 1000 else f"{x:.0f}"


HEADINGS = ("what", "plain", "pmi", "unit", "result", "target", "", "noise", "")


class Table:
    """Prints rows as they come."""
    WIDTHS = (40, 9, 9, 5, 10, 10, 6, 7, 0)

    def __init__(self):
        self.rows = []

    def title(self, text):
        print(f"\n{text}")
        self._line(HEADINGS)

    def add(self, *rows):
        for row in rows:
            self.rows.append(row)
            self._line(row.columns())

    def _line(self, columns):
        cells = [f"{c:{'<' if i in (0, 3, 6, 8) else '>'}{w}}" for i, (c, w) in enumerate(zip(columns, self.WIDTHS))]
        print("  ".join(cells).rstrip(), flush=True)


class Talker:
    """A program that answers each line on its standard input with a line on its standard output."""

    def __init__(self, process, timeout=60.0):
        self.process, self.timeout, self.rest = process, timeout, b""

    @classmethod
    def start(cls, command, **options):
        return cls(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options))

    def read(self):
        end = time.monotonic() + self.timeout
        while b"\n" not in self.rest:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise BenchError(f"{self.process.args[0]} does not answer within {self.timeout} s")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise BenchError(f"{' '.join(map(str, self.process.args))} ended with {self.process.wait(5)}")
            self.rest += part
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def ask(self, line=""):
        os.write(self.process.stdin.fileno(), f"{line}\n".encode())
        return self.read()

    def number(self, line=""):
        return float(self.ask(line))

    def end(self):
        """By the end of its input."""
        self.process.stdin.close()
        try:
            return self.process.wait(10)
        finally:
            self.process.stdout.close()

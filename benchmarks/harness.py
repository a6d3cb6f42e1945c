"""Systems measured in turns: seconds of CPU, wall time and peak memory, one JSON line for each system.

The first system of a comparison is its floor. Every round measures each system once, in one order and then in the other, so that
whatever else the machine does strikes all alike. `cpu_s`, `wall_s` and `peak_mb` are of the round of least CPU; `ratio` is ours to
the floor in these, and `ratio_median` the median over the rounds of the ratio inside a round.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

from attrs import evolve, frozen

__all__ = ["Sample", "Scale", "alone", "child", "compare", "here", "here_on", "once"]

T = TypeVar("T")
_OF_MACHINE = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "OPENBLAS_CORETYPE")


@frozen(kw_only=True)
class Scale:
    """How much is measured: as much as the figures need, or the least that shows that a benchmark works."""

    smoke: bool = False

    def __call__(self, whole: int, smoke: int = 1) -> int:
        """A number of rounds or of things."""
        return smoke if self.smoke else whole


@frozen
class Sample:
    """What one round of one system took.

    Parameters
    ----------
    added_mb
        The most memory beyond what was held before the work began; 0 where that was not measured.
    """

    cpu_s: float
    wall_s: float
    peak_mb: float
    n: int = 0
    added_mb: float = 0.0


Measure = Callable[[], Sample]


def here(work: Callable[[], object]) -> Measure:
    """Measures a function in this process, all its threads; the peak is the whole process's while it ran."""
    return here_on(lambda: None, lambda _: work())


def here_on(made: Callable[[], T], work: Callable[[T], object]) -> Measure:
    """Measures a function of what is made anew before each round; the making is not measured."""

    def measure() -> Sample:
        given = made()
        _forget_peak()
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        work(given)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
        return Sample(_cpu(after) - _cpu(before), wall, _peak_mb())

    return measure


def alone(function: str, *given: object) -> Measure:
    """Measures in a process of its own what `module:function` of the benchmarks makes of the words given: its work alone.

    Neither system then finds memory that the other left behind.
    """

    def measure() -> Sample:
        command = [sys.executable, "-m", "benchmarks.alone", function, *(str(each) for each in given)]
        environment = {name: value for name, value in os.environ.items() if name not in _OF_MACHINE}
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
        return Sample(**json.loads(done.stdout))

    return measure


def once(work: Callable[[], object]) -> Sample:
    """What one call of a function took, and the memory that it added."""
    _forget_peak()
    before = _memory_mb("VmRSS:")
    sample = here(work)()
    return evolve(sample, added_mb=max(0.0, sample.peak_mb - before))


def child(command: Sequence[object]) -> Measure:
    """Measures a process from its start to its end, in an environment as users have it."""
    given = [str(part) for part in command]
    environment = {name: value for name, value in os.environ.items() if name not in _OF_MACHINE}

    def measure() -> Sample:
        began = time.perf_counter()
        process = subprocess.Popen(given, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(given)} ended with {process.returncode}")
        return Sample(_cpu(used), time.perf_counter() - began, used.ru_maxrss / 1024)

    return measure


def compare(
    bench: str, systems: Mapping[str, Measure], *, n: int, rounds: int, reach: float | None = None, reach_cpu_s: float | None = None
) -> None:
    """Measure systems in turns, the floor first, and print a JSON line for each.

    Parameters
    ----------
    n
        How many things a round does; a sample that counted for itself says so.
    reach, reach_cpu_s
        The ratio, or the seconds of CPU, that the last system is to stay within.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in systems}
    for number in range(rounds):
        for name in list(systems)[:: 1 if number % 2 == 0 else -1]:
            samples[name].append(systems[name]())
    floor = [_each(sample, n) for sample in next(iter(samples.values()))]
    for name, found in samples.items():
        best = min(found, key=lambda sample: _each(sample, n))
        line: dict[str, object] = {"bench": bench, "system": name, "n": best.n or n}
        line |= {"cpu_s": round(best.cpu_s, 6), "wall_s": round(best.wall_s, 6), "peak_mb": round(best.peak_mb, 1)}
        line["ratio"] = round(_each(best, n) / max(min(floor), 1e-12), 3)
        if best.added_mb:
            line |= {"added_mb": round(best.added_mb, 1), "ratio_added": round(best.added_mb / next(iter(samples.values()))[0].added_mb, 3)}
        line["ratio_median"] = round(median(_each(one, n) / max(other, 1e-12) for one, other in zip(found, floor, strict=True)), 3)
        if name == list(samples)[-1]:
            line |= {"reach": reach} if reach else {"reach_cpu_s": reach_cpu_s} if reach_cpu_s else {}
        print(json.dumps(line), flush=True)


def _each(sample: Sample, n: int) -> float:
    return sample.cpu_s / (sample.n or n)


def _cpu(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def _forget_peak() -> None:
    """Let the process's peak memory begin anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def _peak_mb() -> float:
    return _memory_mb("VmHWM:")


def _memory_mb(what: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))

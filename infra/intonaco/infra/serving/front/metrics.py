"""Counts and latencies of the front end, as Prometheus reads them; names are bounded by what is deployed."""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

__all__ = ["Tally", "exposition"]

#: Upper bounds of the buckets are powers of two of a microsecond, from 64 µs to 33 s.
_FIRST, _LAST = 6, 26


class Tally:
    """How many requests of one endpoint were answered how, and how long they took."""

    __slots__ = ("answers", "buckets", "seconds")

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self.buckets = [0] * (_LAST + 1)
        self.seconds = 0.0

    def count(self, status: int, seconds: float) -> None:
        """Count one answer."""
        self.answers[status] += 1
        self.buckets[min(int(seconds * 1e6).bit_length(), _LAST)] += 1
        self.seconds += seconds


class Watched(Protocol):
    """An endpoint, as far as its measurements go."""

    @property
    def tally(self) -> Tally:
        """Its counts."""

    @property
    def lane(self) -> object | None:
        """Its worker, if it has one."""

    @property
    def waiting(self) -> int:
        """How many requests are not answered yet."""


def exposition(lines: Mapping[str, Watched], others: Tally, gauges: Mapping[str, float]) -> bytes:
    """All measurements; an empty endpoint stands for all paths that are not one's."""
    tallies = {"": others, **{name: line.tally for name, line in sorted(lines.items())}}
    told = ["# TYPE intonaco_requests_total counter"]
    for name, tally in tallies.items():
        told += [f'intonaco_requests_total{{endpoint="{name}",status="{status}"}} {n}' for status, n in sorted(tally.answers.items())]
    told.append("# TYPE intonaco_request_seconds histogram")
    for name, tally in tallies.items():
        told += _histogram(name, tally)
    told.append("# TYPE intonaco_requests_waiting gauge")
    told += [f'intonaco_requests_waiting{{endpoint="{name}"}} {line.waiting}' for name, line in sorted(lines.items())]
    told.append("# TYPE intonaco_endpoint_ready gauge")
    told += [f'intonaco_endpoint_ready{{endpoint="{name}"}} {int(line.lane is not None)}' for name, line in sorted(lines.items())]
    for name, value in sorted(gauges.items()):
        told += [f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}", f"{name} {value:.12g}"]
    return ("\n".join(told) + "\n").encode()


def _histogram(name: str, tally: Tally) -> list[str]:
    told, below = [], 0
    for bits, n in enumerate(tally.buckets[:_LAST]):
        below += n
        if bits >= _FIRST:
            told.append(f'intonaco_request_seconds_bucket{{endpoint="{name}",le="{2**bits / 1e6:g}"}} {below}')
    total = sum(tally.buckets)
    told.append(f'intonaco_request_seconds_bucket{{endpoint="{name}",le="+Inf"}} {total}')
    told += [f'intonaco_request_seconds_sum{{endpoint="{name}"}} {tally.seconds:g}']
    return [*told, f'intonaco_request_seconds_count{{endpoint="{name}"}} {total}']

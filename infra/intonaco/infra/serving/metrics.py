"""Counts and latencies of the front end, as Prometheus reads them; names are bounded by what is deployed."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intonaco.infra.serving.lanes import Line

__all__ = ["Metrics"]

#: Upper bounds of the buckets are powers of two of a microsecond, up to 33 s.
_BUCKETS = range(6, 26)


class Metrics:
    """How many requests were answered how, and how long they took."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()
        self._buckets: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}

    def count(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answer; an empty endpoint stands for all other paths."""
        self._answers[endpoint, status] += 1
        self._buckets[endpoint, int(seconds * 1e6).bit_length()] += 1
        self._seconds[endpoint] += seconds  # type: ignore[assignment]

    def text(self, lines: "Mapping[str, Line]") -> bytes:
        """The exposition format."""
        told = ["# TYPE intonaco_requests_total counter"]
        for (name, status), answers in sorted(self._answers.items()):
            told.append(f'intonaco_requests_total{{endpoint="{name}",status="{status}"}} {answers}')
        told.append("# TYPE intonaco_request_seconds histogram")
        for name in sorted(self._seconds):
            told += self._histogram(name)
        told.append("# TYPE intonaco_requests_waiting gauge")
        told += [f'intonaco_requests_waiting{{endpoint="{name}"}} {_waiting(line)}' for name, line in sorted(lines.items())]
        told.append("# TYPE intonaco_endpoint_ready gauge")
        told += [f'intonaco_endpoint_ready{{endpoint="{name}"}} {int(line.lane is not None)}' for name, line in sorted(lines.items())]
        told += [f"{name} {value:g}" for name, value in sorted(self.gauges.items())]
        return ("\n".join(told) + "\n").encode()

    def _histogram(self, name: str) -> list[str]:
        told, below = [], 0
        total = sum(n for (each, _), n in self._buckets.items() if each == name)
        counts = {bits: n for (each, bits), n in self._buckets.items() if each == name}
        for bits in range(_BUCKETS.stop):
            below += counts.get(bits, 0)
            if bits in _BUCKETS:
                told.append(f'intonaco_request_seconds_bucket{{endpoint="{name}",le="{2**bits / 1e6:g}"}} {below}')
        told.append(f'intonaco_request_seconds_bucket{{endpoint="{name}",le="+Inf"}} {total}')
        told.append(f'intonaco_request_seconds_sum{{endpoint="{name}"}} {self._seconds[name]:g}')
        told.append(f'intonaco_request_seconds_count{{endpoint="{name}"}} {total}')
        return told


def _waiting(line: "Line") -> int:
    return len(line.parked) + (len(line.lane.waiting) if line.lane is not None else 0)

"""Trailing windows beside prefix sums by hand on the same integers: how late the flights of a route lately were."""

import os

os.environ["POLARS_MAX_THREADS"] = "1"

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks import flights
from benchmarks.harness import Scale, compare, here
from intonaco.infra.compute.algebra import DEFAULT_RESOLUTION, measures_of
from intonaco.infra.compute.polars import PolarsTableEngine
from intonaco.infra.compute.tables import Events, WindowColumn, Windows
from intonaco.infra.compute.timeline import default_hop, duration

__all__ = ["aggregating"]

Ints = NDArray[np.int64]
_WINDOWS = ("3h", "1d", "7d", "30d")
_HOPS = [(duration(over), default_hop(duration(over))) for over in _WINDOWS]


def aggregating(scale: Scale) -> None:
    """Mean and count over four windows, for every flight, from Arrow in memory."""
    given = flights.read(2000 if scale.smoke else None)
    engine = PolarsTableEngine(cast("Any", SimpleNamespace(tables=None)))
    windows = [Windows(events=Events(data=given.arrivals, keys=("origin", "dest"), time="arrival"), columns=tuple(_columns()))]
    _same(_by_hand(given), pa.concat_tables(engine.window_aggregates(given.rows, "at", windows)))
    systems = {
        "numpy": here(lambda: _by_hand(given)),
        "intonaco": here(lambda: pa.concat_tables(engine.window_aggregates(given.rows, "at", windows))),
    }
    compare("windows", systems, n=given.rows.num_rows, rounds=scale(7), reach=2.5)


def _columns() -> list[WindowColumn]:
    return [
        WindowColumn(
            name=f"{kind}_{over_us}",
            kind=kind,
            column="gain",
            over_us=over_us,
            hop_us=hop_us,
            resolution=DEFAULT_RESOLUTION,
            floats=True,
            measures=measures_of(kind, "gain", DEFAULT_RESOLUTION),
        )
        for over_us, hop_us in _HOPS
        for kind in ("mean", "count")
    ]


def _by_hand(given: flights.Flights) -> dict[str, NDArray[np.float64]]:
    """The same aggregates as one would write them in NumPy: one sort of the events, one of the rows, and searches."""
    events, rows = _codes(given)
    happened, at = _micros(given.arrivals["arrival"]), _micros(given.rows["at"])
    first = int(happened.min())
    span = int(happened.max()) - first + 2
    packed = events * span + happened - first
    order = np.argsort(packed)
    packed = packed[order]
    gain = np.rint(given.arrivals["gain"].to_numpy() / DEFAULT_RESOLUTION).astype(np.int64)
    sums = np.concatenate([[0], np.cumsum(gain[order])])
    row_order = np.argsort(rows * span + at)
    base, cuts = rows[row_order] * span, at[row_order]
    head = np.searchsorted(packed, base + np.clip(cuts - first, 0, span - 1))
    return {name: values for window in _HOPS for name, values in _window(window, packed, sums, base, cuts, head, first, span, row_order)}


def _window(
    window: tuple[int, int], packed: Ints, sums: Ints, base: Ints, cuts: Ints, head: Ints, first: int, span: int, row_order: Ints
) -> list[tuple[str, NDArray[np.float64]]]:
    over_us, hop_us = window
    tail = np.searchsorted(packed, base + np.clip((cuts - over_us) // hop_us * hop_us - first, 0, span - 1))
    count = head - np.minimum(tail, head)
    total = sums[head] - sums[np.minimum(tail, head)]
    mean, counts = np.empty(len(head)), np.empty(len(head))
    with np.errstate(invalid="ignore"):
        mean[row_order] = total / count * DEFAULT_RESOLUTION
    counts[row_order] = count
    return [(f"mean_{over_us}", mean), (f"count_{over_us}", counts)]


def _codes(given: flights.Flights) -> tuple[Ints, Ints]:
    """A number for each route."""
    codes: Ints = np.zeros(given.arrivals.num_rows + given.rows.num_rows, dtype=np.int64)
    for name in ("origin", "dest"):
        both = pa.chunked_array([*given.arrivals[name].chunks, *given.rows[name].chunks])
        encoded = both.combine_chunks().dictionary_encode()
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy()
    return codes[: given.arrivals.num_rows], codes[given.arrivals.num_rows :]


def _micros(column: pa.ChunkedArray) -> Ints:
    micros: Ints = column.cast(pa.int64()).to_numpy()
    return micros


def _same(hand: dict[str, NDArray[np.float64]], ours: pa.Table) -> None:
    for name, expected in hand.items():
        found = ours[name].to_numpy()
        seen = ~np.isnan(found)
        assert np.array_equal(found[seen], expected[seen]), f"{name} differs"
        assert name.startswith("count") or bool(np.isnan(expected[~seen]).all()), f"{name} lacks values"

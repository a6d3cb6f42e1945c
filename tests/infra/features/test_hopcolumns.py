"""Columns of hops, each as narrow as its values allow."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from intonaco.infra.features.entries.hopcolumns import NARROWABLE, HopColumns, columns_of_one, halvings_of
from intonaco.infra.features.entries.shape import HEADER, WIDTHS

LIMITS = (2**7, 2**15, 2**31, 2**63)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, NARROWABLE + 2), st.integers(0, 2**32))
def test_every_value_comes_back_from_columns_of_any_width(totals: list[int], columns: int, seed: int) -> None:
    sizes, random = np.array(totals), np.random.default_rng(seed)
    extremes = [
        [-limit, limit - 1, 0, -1, *random.integers(-limit, limit, 4)] for limit in random.choice(np.array(LIMITS, dtype=object), columns)
    ]
    records = np.stack([random.choice(each, sizes.sum()) for each in np.array(extremes, dtype=np.int64)], axis=1)
    starts = np.cumsum(sizes) - sizes
    widths = halvings_of(records, starts)
    begin = np.full(len(sizes), HEADER)
    alone = HopColumns.of(widths, sizes, columns, begin)
    lengths = alone.begins[-1]
    homes = np.cumsum(lengths) - lengths
    words = np.zeros(lengths.sum(), dtype="<i8")
    words[homes + WIDTHS] = widths
    placed = HopColumns.of(widths, sizes, columns, homes + begin)
    placed.write(words, records)
    assert (placed.read(words) == records).all()
    for home, length, start, size in zip(homes, lengths, starts, sizes, strict=True):
        found, end = columns_of_one(memoryview(words[home : home + length].tobytes()).cast("q"), HEADER, columns, int(size))
        assert end == length
        assert [values[at : at + size].tolist() for values, at in found] == records[start : start + size].T.tolist()


def test_counts_and_short_sums_take_few_bytes() -> None:
    records = np.array([[-1200, 1, 2**20], [-60, 100, 2**30]])
    assert HopColumns.of(halvings_of(records, np.array([0])), np.array([2]), 3, np.array([0])).halvings.ravel().tolist() == [2, 3, 1]

"""Buckets hold each row once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.core.errors import InvalidError
from intonaco.infra.monitoring.buckets import Buckets, moment_text

DAY_US = 86_400_000_000
MOMENTS = some.lists(some.integers(-(10**9), 10**9), max_size=50)


@given(MOMENTS, some.integers(10**7, 10**9))
def test_buckets_partition_the_rows(moments: list[int], length: int) -> None:
    at_us = np.array(moments, dtype=np.int64)
    buckets = Buckets.of(at_us, length)
    assert sorted(np.concatenate([np.empty(0, int), *buckets.split()]).tolist()) == list(range(len(moments)))
    for start, end, rows in zip(buckets.from_us, buckets.to_us, buckets.split(), strict=True):
        assert ((at_us[rows] >= start) & (at_us[rows] < end)).all()


@given(MOMENTS.filter(bool), some.integers(10**7, 10**9))
def test_buckets_follow_one_another_without_a_gap(moments: list[int], length: int) -> None:
    buckets = Buckets.of(np.array(moments, dtype=np.int64), length)
    assert (buckets.from_us[1:] == buckets.to_us[:-1]).all()
    assert (buckets.from_us % length == 0).all()


def test_a_stretch_without_rows_has_its_empty_buckets() -> None:
    assert [len(rows) for rows in Buckets.of(np.array([0, 3 * DAY_US])).split()] == [1, 0, 0, 1]


def test_rows_are_counted_where_asked() -> None:
    buckets = Buckets.of(np.array([0, 1, DAY_US]))
    assert buckets.count(np.array([True, False, True])).tolist() == [1, 1]


def test_days_are_written_as_days_and_hours_with_their_time() -> None:
    assert Buckets.of(np.array([0])).texts == ["1970-01-01"]
    assert Buckets.of(np.array([0]), "1h").texts == ["1970-01-01 00:00"]
    assert moment_text(-1) == "1969-12-31 23:59"


def test_buckets_without_length_are_refused() -> None:
    with pytest.raises(InvalidError, match="have no length"):
        Buckets.of(np.array([0]), "0s")


def test_more_buckets_than_anybody_would_look_at_are_refused() -> None:
    with pytest.raises(InvalidError, match="take longer buckets"):
        Buckets.of(np.array([0, DAY_US]), "1ms")

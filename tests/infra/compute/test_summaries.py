import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.infra.compute.summaries import summaries
from intonaco.infra.compute.summary import merged, together

VALUES = some.lists(some.one_of(some.none(), some.floats(-1e6, 1e6)), min_size=1, max_size=40)


@given(VALUES, some.integers(1, 5), some.integers(1, 3))
def test_pieces_give_what_the_whole_gives(values: list[float | None], pieces: int, parts: int) -> None:
    data = pa.table({"x": pa.array(values, pa.float64())})
    numbers = np.arange(len(values)) % parts
    whole = merged(summaries(data, ["x"], numbers))["x"]
    cuts = np.array_split(np.arange(len(values)), pieces)
    rows = [summaries(data.take(pa.array(cut)), ["x"], numbers[cut]) for cut in cuts if len(cut)]
    found = merged(pa.concat_tables(rows))["x"]
    assert found.keys() == whole.keys()
    for part, summary in found.items():
        expected = whole[part]
        assert (summary.rows, summary.nulls, summary.least, summary.greatest) == (
            expected.rows,
            expected.nulls,
            expected.least,
            expected.greatest,
        )
        assert summary.mean == pytest.approx(expected.mean, abs=1e-6)
        assert summary.squares == pytest.approx(expected.squares, rel=1e-6, abs=1e-3)
        assert np.array_equal(summary.buckets, expected.buckets)
        assert np.array_equal(summary.registers, expected.registers)


def test_figures_are_those_of_numpy_within_the_errors_of_sketches() -> None:
    values = np.random.default_rng(0).lognormal(size=20_000)
    [found] = merged(summaries(pa.table({"x": values}), ["x"], np.zeros(20_000, np.int64)))["x"].values()
    assert found.mean == pytest.approx(values.mean())
    assert found.std == pytest.approx(values.std())
    assert found.distinct == pytest.approx(20_000, rel=0.15)
    for q in (0.01, 0.5, 0.99):
        assert found.quantile(q) == pytest.approx(np.quantile(values, q), rel=0.02)
    assert found.shares(np.array([0.0, 1.0, 1e9])).tolist() == pytest.approx([0.5, 0.5], abs=0.02)


def test_texts_and_bools_are_counted_and_other_columns_left_out() -> None:
    data = pa.table(
        {"s": ["b", "a", "b", None], "c": pa.array(["x"] * 4).dictionary_encode(), "b": [True, True, False, None], "l": [[1]] * 4}
    )
    found = {name: together(list(days.values())) for name, days in merged(summaries(data, data.column_names, np.arange(4) // 2)).items()}
    assert found.keys() == {"s", "c", "b"}
    assert (found["s"].top, found["s"].nulls, found["s"].distinct) == ({"b": 2, "a": 1}, 1, 2)
    assert found["b"].top == {"true": 2, "false": 1}
    assert np.isnan(found["s"].quantile(0.5))


def test_what_is_not_finite_has_no_value() -> None:
    data = pa.table({"x": [1.0, float("nan"), float("inf"), None]})
    [found] = merged(summaries(data, ["x"], np.zeros(4, np.int64)))["x"].values()
    assert (found.rows, found.nulls, found.mean) == (4, 3, 1.0)

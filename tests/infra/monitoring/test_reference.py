"""The reference is a small, faithful summary of training columns."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.core.columns import Masked, Ragged
from intonaco.core.errors import MissingError, SchemaError
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.monitoring.reference import Reference
from intonaco.infra.workspace import Workspace

FLOATS = some.lists(some.floats(width=32) | some.integers(-3, 3).map(float), max_size=60)


def words(*given: str | None) -> Any:
    return np.array(given, dtype=object)


@given(FLOATS)
def test_every_number_falls_into_one_bin_and_nulls_are_counted(values: list[float]) -> None:
    column = np.array(values, dtype=np.float64)
    reference = Reference.of({"x": column})["x"]
    codes = reference.codes(column)
    assert np.bincount(codes, minlength=len(reference.tally) + 1).tolist() == [*reference.tally.tolist(), reference.nulls]
    assert reference.nulls == np.isnan(column).sum()


@given(FLOATS)
def test_coarse_bins_hold_the_same_rows(values: list[float]) -> None:
    reference = Reference.of({"x": np.array(values)})["x"]
    coarse = reference.coarse(reference.tally[None])
    assert coarse.sum() == reference.n
    assert coarse.shape[1] <= 12


def test_coarse_bins_of_a_smooth_column_hold_a_tenth_each() -> None:
    reference = Reference.of({"x": np.arange(10_000.0)})["x"]
    assert reference.coarse(reference.tally[None]).tolist() == [[1000] * 10] or np.ptp(reference.coarse(reference.tally[None])) <= 60


def test_rare_categories_share_a_bin_with_unseen_ones() -> None:
    column = words(*[f"common{i}" for i in range(50)] * 2, *[f"rare{i}" for i in range(7)])
    reference = Reference.of({"x": column})["x"]
    assert reference.tally[-1] == 7
    assert reference.codes(words("rare3", "never seen", "common0", None)).tolist() == [50, 50, 0, 51]


def test_missing_values_are_counted_in_text_bools_and_masked_columns() -> None:
    missing = np.array([False, True, False])
    columns: dict[str, Any] = {
        "text": words("a", None, "b"),
        "flag": Masked(np.array([True, True, False]), missing),
        "whole": Masked(np.arange(3), missing),
    }
    assert [each.nulls for each in Reference.of(columns).columns] == [1, 1, 1]
    assert [each.kind for each in Reference.of(columns).columns] == ["category", "category", "number"]


def test_columns_that_have_no_distribution_of_one_value_are_left_out() -> None:
    columns: dict[str, Any] = {
        "image": np.zeros((3, 8, 8)),
        "tokens": Ragged(np.arange(3), np.array([0, 1, 2, 3])),
        "when": np.zeros(3, dtype="datetime64[us]"),
        "x": np.zeros(3),
    }
    assert Reference.of(columns).names == ("x",)


def test_asking_for_such_a_column_is_an_error() -> None:
    with pytest.raises(SchemaError, match="column 'image' holds neither numbers nor text"):
        Reference.of({"image": np.zeros((3, 8, 8))}, ["image"])


def test_an_unknown_column_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(MissingError, match="did you mean 'speed'"):
        Reference.of({"speed": np.zeros(3)})["sped"]


def test_a_column_that_changed_its_kind_is_refused() -> None:
    with pytest.raises(SchemaError, match="column 'x' is no number, as it was in the reference"):
        Reference.of({"x": np.zeros(3)})["x"].codes(words("a"))


def test_infinite_values_are_values_and_stay_out_of_the_edges() -> None:
    reference = Reference.of({"x": np.array([-np.inf, 0.0, 1.0, np.inf])})["x"]
    assert reference.n == 4
    assert np.isfinite(reference.edges).all()
    json.dumps(reference.edges, allow_nan=False)


@given(FLOATS, some.lists(some.sampled_from(["a", "b", "ü"])))
def test_a_reference_comes_back_equal_from_json(values: list[float], texts: list[str]) -> None:
    reference = Reference.of({"x": np.array(values)}) if not texts else Reference.of({"t": words(*texts)})
    stored = json.loads(json.dumps(reference.to_json(), allow_nan=False))
    assert Reference.from_json(stored).to_json() == reference.to_json()


def test_a_reference_is_an_artifact(tmp_path: Path) -> None:
    reference = Reference.of({"x": np.arange(5.0), "t": words("a", "b", None, "a", "a")})
    with Workspace.open(tmp_path) as workspace:
        artifact = Artifacts(workspace).save(reference)
        assert Artifacts(workspace).load(artifact).to_json() == reference.to_json()
        assert artifact.kind == "drift-reference"

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.errors import InvalidError, MissingError, SchemaError
from intonaco.infra.platform.platform import Platform
from intonaco.infra.workspace import Workspace


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(Workspace.open(tmp_path)) as platform:
        yield platform


@pytest.fixture
def rides(platform: Platform) -> pa.Table:
    table = pa.table(
        {
            "km": [3.0, None, 8.0, 2.0],
            "zone": ["north", "south", "north", None],
            "driver": ["a", "b", "a", "c"],
            "ordered": pa.array([4, 3, 2, 1], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            "fare": ["high", "low", None, "low"],
        }
    )
    platform.workspace.tables.write("default/rides", table)
    return table


def test_columns_become_features_and_labels(platform: Platform, rides: pa.Table) -> None:
    examples = platform.examples("rides", labels=["fare"], at="ordered", aside=["driver"], categories=["zone"]).value
    assert examples.inputs.names == ("km", "zone")
    assert examples.inputs["zone"].categories == ("north", "south")
    assert examples.schema["fare"].categories == ("high", "low")
    assert list(examples.segments) == ["driver"]
    assert examples.source == "table:default/rides@0"


def test_rows_without_a_label_are_left_out(platform: Platform, rides: pa.Table) -> None:
    examples = platform.examples("rides", labels=["fare"], at="ordered").value
    assert len(examples) == 3
    assert examples.at_us is not None
    assert examples.at_us.tolist() == [4, 3, 1]


def test_only_columns_that_lack_a_value_may_be_missing(platform: Platform, rides: pa.Table) -> None:
    schema = platform.examples("rides", labels=["fare"]).value.schema
    assert [each.name for each in schema if each.nullable] == ["km", "zone"]
    assert np.isnan(np.asarray(platform.examples("rides", labels=["fare"]).value.columns["km"])).tolist() == [False, True, False]


def test_a_second_call_has_its_result_already_and_a_new_version_of_the_table_has_not(platform: Platform, rides: pa.Table) -> None:
    assert not platform.examples("rides", labels=["fare"]).memoized
    assert platform.examples("rides", labels=["fare"]).memoized
    platform.workspace.tables.write("default/rides", rides)
    assert len(platform.examples("rides", labels=["fare"]).value) == 6
    assert platform.examples("rides@0", labels=["fare"]).memoized


def test_an_unknown_column_is_named(platform: Platform, rides: pa.Table) -> None:
    with pytest.raises(SchemaError, match="no column 'fares'") as caught:
        platform.examples("rides", labels=["fares"])
    assert "fare" in caught.value.hint


def test_an_unknown_table_and_a_version_that_is_no_number_are_refused(platform: Platform, rides: pa.Table) -> None:
    with pytest.raises(MissingError):
        platform.examples("ride", labels=["fare"])
    with pytest.raises(InvalidError, match="not the version of a table"):
        platform.examples("rides@newest", labels=["fare"])

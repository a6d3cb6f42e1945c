"""Labels are recorded like other definitions, and training sets name them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.errors import MissingError
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, Labels, TableSource, mean
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

_HOUR = 3_600_000_000
stop = Entity("stop", {"stop": "str"})
passed = TableSource("passed", {"stop": "str", "late": "float64"}, time="when")
view = FeatureView(name="stop_delay", entity=stop, source=passed, features=[mean("late", over="1d", name="late_1d")])
lateness = FeatureSet(name="lateness", features=[view])
outcomes = Labels(name="outcomes", table="trips", keys=("trip",), value="late", final="end", at="begin")


def _times(*hours: int) -> pa.Array:
    return pa.array([hour * _HOUR for hour in hours]).cast(pa.timestamp("us", tz="UTC"))


@pytest.fixture
def features(tmp_path: Path) -> Iterator[FeatureStore]:
    with Workspace.open(tmp_path) as workspace:
        workspace.tables.write("default/passed", pa.table({"stop": ["a", "a"], "late": [1.0, 3.0], "when": _times(1, 2)}))
        trips = {"trip": ["1", "2"], "stop": ["a", "a"], "late": [2.0, None], "begin": _times(3, 3), "end": _times(4, 4)}
        workspace.tables.write("default/trips", pa.table(trips))
        yield FeatureStore(workspace)


def test_applied_labels_come_back_equal(features: FeatureStore) -> None:
    features.apply([outcomes])
    assert features.labels("outcomes") == outcomes
    assert [step.action for step in features.plan([outcomes])] == ["same"]


def test_a_training_set_names_its_labels(features: FeatureStore) -> None:
    features.apply([lateness, outcomes])
    examples = features.training_set("lateness", labels="outcomes")
    assert np.asarray(examples.columns["late_1d"]).tolist() == [2.0]
    assert np.asarray(examples.columns["late"]).tolist() == [2.0]


def test_unknown_labels_are_an_error_that_names_the_known(features: FeatureStore) -> None:
    features.apply([outcomes])
    with pytest.raises(MissingError, match="did you mean 'outcomes'"):
        features.labels("outcome")

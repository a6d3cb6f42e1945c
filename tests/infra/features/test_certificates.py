"""Certificates: views held to one answer on generated streams, and engines that are wrong found out by the smallest of them."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from attrs import evolve

from intonaco.core.errors import CorruptError, InvalidError, MissingError
from intonaco.infra.compute.measures import KINDS
from intonaco.infra.compute.polars import PolarsTableEngine
from intonaco.infra.compute.tables import TableEngine, Windows
from intonaco.infra.features.checking.certificates import certify
from intonaco.infra.features.defined.aggregates import (
    columns,
    count,
    distinct,
    last,
    last_k,
    maximum,
    mean,
    quantile,
    sum_,
    variance,
    windows,
)
from intonaco.infra.features.defined.views import Entity, FeatureView, TableSource
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.storage.tables import Snapshot
from intonaco.infra.workspace import Workspace

DTYPES = {"gain": "float64", "seats": "int64", "on_time": "bool", "fare": "decimal(12,2)", "carrier": "str", "seen": "timestamp"}
VIEW = FeatureView(
    name="arrivals",
    entity=Entity("route", {"origin": "str", "dest": "int32"}),
    source=TableSource("arrivals", DTYPES, time="arrival", created="created"),
    features=[
        mean("gain", over=["3h", "7d"]),
        variance("gain", over="1d", exact=True),
        quantile("gain", 0.9, over="1d"),
        sum_("seats", over="1d"),
        maximum("on_time", over="1d"),
        last("fare", over="1d"),
        last_k("fare", k=3, over="1d"),
        distinct("carrier", over="7d"),
        count("seen", over="1d", default=0.0),
        columns("gain", "carrier", "seen", valid_for="6h"),
    ],
    valid_for="2d",
    delay="5m",
)


class EarlyEngine(PolarsTableEngine):
    """Sees events of windows a microsecond before they may be seen."""

    def window_aggregates(self, rows: Snapshot | pa.Table, at: str, windows: Sequence[Windows]) -> pa.Table:
        early = [evolve(each, events=evolve(each.events, delay_us=each.events.delay_us - 1)) for each in windows]
        return super().window_aggregates(rows, at, early)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TableEngine]:
    with Workspace.open(tmp_path_factory.mktemp("certificates")) as workspace:
        yield PolarsTableEngine(workspace)


def test_a_view_of_every_kind_and_type_is_certified(engine: TableEngine) -> None:
    certificate = certify(VIEW, 3, engine, examples=40)
    assert (certificate.passed, certificate.examples, certificate.difference) == (True, 40, "")
    assert (certificate.view, certificate.version) == ("arrivals", 3)
    assert {"python", "hypothesis", "numpy", "polars", "pyarrow", "intonaco-infra"} == set(certificate.libraries)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_view_of_one_aggregate_and_its_column_is_certified(engine: TableEngine, kind: str) -> None:
    parameters = {"last_k": (2,), "distinct": (4,), "quantile": (0.5, 6)}.get(kind, ())
    made = windows(kind, "seats", "1d", parameters=parameters)
    view = evolve(VIEW, features=[*made, *columns("seats")], delay=0, valid_for=None)
    assert certify(view, 1, engine, examples=30).difference == ""


def test_an_engine_that_sees_too_early_is_found_out_by_one_event(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as workspace:
        certificate = certify(VIEW, 1, EarlyEngine(workspace), examples=200, limit_s=30.0)
    assert not certificate.passed
    assert "in a batch" in certificate.difference
    assert len(certificate.counterexample["events"]) == 1


def test_no_more_streams_are_tried_once_time_is_up(engine: TableEngine) -> None:
    certificate = certify(VIEW, 1, engine, examples=100_000, limit_s=0.3)
    assert certificate.passed
    assert certificate.examples < 1000


def test_certificates_are_kept_with_the_version(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as workspace:
        store = FeatureStore(workspace)
        store.apply([VIEW])
        with pytest.raises(MissingError, match="arrivals@1"):
            store.certificates.get("arrivals", 1)
        made = store.certify("arrivals", examples=3)
        assert store.certificates.get("arrivals", 1) == made[0]
        again = store.certify("arrivals", examples=3, seed=4)
        assert store.certificates.get("arrivals", 1) == again[0] != made[0]
        assert store.certificates.find("arrivals", 2) is None


def test_a_changed_certificate_is_refused(tmp_path: Path) -> None:
    from intonaco.infra.features.tables import CERTIFICATES

    with Workspace.open(tmp_path) as workspace:
        store = FeatureStore(workspace)
        store.apply([VIEW])
        store.certify("arrivals", examples=1)
        with workspace.catalog.transaction() as connection:
            connection.execute(CERTIFICATES.update().values(body="{}"))
        with pytest.raises(CorruptError):
            store.certificates.get("arrivals", 1)


def test_without_hypothesis_it_says_what_to_install(engine: TableEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(InvalidError, match="hypothesis") as caught:
        certify(VIEW, 1, engine)
    assert "testing" in caught.value.hint

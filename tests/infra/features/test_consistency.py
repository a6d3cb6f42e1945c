"""What was read online is read again offline, and every difference is counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from intonaco.core.columns import Masked
from intonaco.core.errors import UnavailableError
from intonaco.infra.features.checking.consistency import compare
from intonaco.infra.features.checking.consistencyreport import advice, consistency_report
from intonaco.infra.features.checking.readlog import ReadLog, logged_reads
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns, count, mean
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.replay import keep, shares
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.storage.streams import Stream
from intonaco.infra.workspace import Workspace

HOUR_US = 3_600_000_000
STOP = Entity("stop", {"stop": "str"})
PASSED = TableSource("passed", {"late": "float64", "line": "str?"}, time="when")
DELAYS = FeatureView(
    name="delays", entity=STOP, source=PASSED, valid_for="6h", features=[mean("late", over="3h"), columns("line"), count(over="1h")]
)
LATENESS = FeatureSet(name="lateness", features=[DELAYS])
STOPS = np.array(["a", "b", "c"], dtype=object)


def events(*hours: float, late: float = 1.0) -> pa.Table:
    rows = [(stop, int(hour * HOUR_US), late) for hour in hours for stop in ("a", "b")]
    stops, when, lates = zip(*rows, strict=True)
    return pa.table({"stop": stops, "when": pa.array(when, pa.timestamp("us", "UTC")), "late": lates, "line": ["x"] * len(rows)})


@pytest.fixture
def served(store: FeatureStore) -> FeatureStore:
    """A set that is read online as of 3 h, when the events up to 2 h are known."""
    store.apply([LATENESS])
    store.workspace.tables.write("default/passed", events(1, 2))
    store.materialize("lateness", 3 * HOUR_US)
    store.read("lateness", {"stop": STOPS}, 3 * HOUR_US)
    return store


def test_what_both_sides_know_alike_is_equal_in_every_feature(served: FeatureStore) -> None:
    found = served.consistency("lateness")
    assert found.counts == {"compared": 9, "equal": 9, "mismatch": 0, "missing_online": 0, "missing_offline": 0}
    assert (found.share, found.rows, found.dropped) == (1.0, 3, 0)
    assert "bit for bit" in advice(found)


def test_events_that_came_to_the_table_later_are_counted_by_feature_and_hour(served: FeatureStore) -> None:
    served.workspace.tables.write("default/passed", events(2.5, late=5.0))
    found = served.consistency("lateness")
    told = found.features["late_mean_3h"]
    assert (told["compared"], told["equal"], told["mismatch"]) == (3, 1, 2)
    assert told["mean_difference"] == pytest.approx(7 / 3 - 1)
    assert told["mean_age_difference_s"] == 1800.0
    assert found.features["line"]["equal"] == 3
    assert set(found.series["from_us"].to_pylist()) == {3 * HOUR_US}
    assert "materialize more often" in advice(found)


def test_values_that_only_one_side_has_are_missing_and_no_mismatch(served: FeatureStore) -> None:
    with served.writer(["lateness"]) as writer:
        writer.push({"passed": events(4)})
    served.read("lateness", {"stop": STOPS}, 10 * HOUR_US)
    served.materialize("lateness", 11 * HOUR_US)
    found = served.consistency("lateness", since=9 * HOUR_US)
    assert "write what is pushed to the table" in advice(found)
    told = found.features["line"]
    assert (told["compared"], told["missing_offline"], told["missing_online"], told["equal"]) == (3, 2, 0, 1)


def test_reads_behind_the_watermark_are_not_compared_yet(served: FeatureStore) -> None:
    served.read("lateness", {"stop": STOPS}, 5 * HOUR_US)
    found = served.consistency("lateness")
    assert found.counts["compared"] == 9
    assert {told["not_yet"] for told in found.features.values()} == {3}
    served.materialize("lateness", 5 * HOUR_US)
    assert served.consistency("lateness").counts["compared"] == 18


def test_only_reads_between_two_moments_are_looked_at(served: FeatureStore) -> None:
    assert served.consistency("lateness", since=4 * HOUR_US).rows == 0
    assert served.consistency("lateness", until=3 * HOUR_US).rows == 0
    assert served.consistency("lateness", since=3 * HOUR_US).rows == 3


def test_what_was_measured_is_kept_as_a_series(served: FeatureStore) -> None:
    assert shares(served, "lateness") == []
    keep(served, served.consistency("lateness"), at_us=1)
    served.workspace.tables.write("default/passed", events(2.5, late=5.0))
    found = served.consistency("lateness")
    keep(served, found, at_us=2)
    assert shares(served, "lateness") == [(1, 1.0), (2, pytest.approx(5 / 9))]
    assert "by measurement" in consistency_report(found, shares(served, "lateness")).text()


def test_cells_and_report_hold_the_same_figures(served: FeatureStore) -> None:
    served.workspace.tables.write("default/passed", events(2.5, late=5.0))
    found = served.consistency("lateness")
    assert found.cells.pick("equal").value == pytest.approx(5 / 9)
    assert found.cells.pick("mismatch", "feature=late_mean_3h").value == pytest.approx(2 / 3)
    assert found.cells.pick("equal", f"feature=line,from_us={3 * HOUR_US}").value == 1.0
    assert "materialize more often" in consistency_report(found).text()


def test_without_a_read_it_says_so(store: FeatureStore) -> None:
    store.apply([LATENESS])
    found = store.consistency("lateness")
    assert (found.rows, found.share, list(found.cells)) == (0, None, [])
    assert "No read" in advice(found)


def test_reads_of_another_version_of_a_view_are_counted_apart(served: FeatureStore) -> None:
    served.apply([FeatureSet(name="lateness", features=[_longer()])])
    found = served.consistency("lateness")
    assert (found.rows, found.others) == (0, 3)


def _longer() -> FeatureView:
    from attrs import evolve

    return evolve(DELAYS, delay="1m")


def test_no_read_is_logged_where_the_settings_say_so(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, overrides={"features": {"logged_rows_per_s": 0}}) as workspace:
        store = FeatureStore(workspace)
        store.apply([LATENESS])
        store.read("lateness", {"stop": STOPS}, 3 * HOUR_US)
        assert len(logged_reads(workspace.stream, store.read_plan("lateness"))) == 0


def test_the_log_keeps_no_more_than_its_rate_and_never_waits(served: FeatureStore) -> None:
    plan = served.read_plan("lateness")
    answer = served.read("lateness", {"stop": STOPS}, 3 * HOUR_US)
    with ReadLog(served.workspace.stream, rows_per_s=2) as log:
        for _ in range(100):
            log.offer(plan, {"stop": STOPS}, np.full(3, 7), answer)
    served.workspace.close()
    with Workspace.open(served.workspace.root) as again:
        kept = logged_reads(again.stream, plan)
    assert 20 <= int((kept.at_us == 7).sum()) <= 26


class _Gone(Stream):
    """A stream whose store is away."""

    def append(self, topic: str, values: Any, partition: int = 0) -> int:
        raise UnavailableError("the stream is away")

    def read(self, topic: str, after: int = 0, limit: int = 1000, partition: int = 0) -> list[tuple[int, bytes]]:
        return []

    def end(self, topic: str, partition: int = 0) -> int:
        return 0

    def trim(self, topic: str, through: int, partition: int = 0) -> None: ...

    @classmethod
    def open(cls, url: Any) -> "_Gone":
        return cls()

    def close(self) -> None: ...


def test_reads_of_a_set_before_and_after_it_lost_a_feature_are_both_kept(served: FeatureStore) -> None:
    served.apply([FeatureSet(name="lateness", features=[DELAYS["line"]])])
    served.read("lateness", {"stop": STOPS}, 3 * HOUR_US)
    assert (served.consistency("lateness").rows, served.consistency("lateness@1").rows) == (6, 3)


def test_a_log_whose_store_is_away_drops_and_counts(served: FeatureStore) -> None:
    answer = served.read("lateness", {"stop": STOPS}, 3 * HOUR_US)
    log = ReadLog(_Gone(), rows_per_s=1000)
    log.offer(served.read_plan("lateness"), {"stop": STOPS}, np.full(3, 7), answer)
    log.close()
    assert log.dropped["lateness"] == 3


def answer(values: Any, *, status: list[int] | None = None, age: list[int] | None = None) -> Answer:
    rows = len(values)
    codes: NDArray[np.uint8] = np.array([0] * rows if status is None else status, dtype=np.uint8)
    ages = {} if age is None else {"x": np.array(age)}
    return Answer(columns={"x": values}, statuses={"x": codes}, ages=ages)


@pytest.mark.parametrize(
    ("online", "offline", "counts"),
    [
        (answer(np.array([1.0, np.nan])), answer(np.array([1.0, np.nan])), (2, 0, 0, 0)),
        (answer(np.array([1.0])), answer(np.array([np.nextafter(1.0, 2.0)])), (0, 1, 0, 0)),
        (answer(np.array([1.0])), answer(np.array([np.nan])), (0, 1, 0, 0)),
        (answer(np.array([2**62]), status=[0]), answer(np.array([2**62 + 1])), (0, 1, 0, 0)),
        (answer(np.array(["a", "b"], object)), answer(np.array(["a", "c"], object)), (1, 1, 0, 0)),
        (answer(np.array([0.0]), status=[2]), answer(np.array([0.0]), status=[0]), (0, 0, 1, 0)),
        (answer(np.array([0.0]), status=[0]), answer(np.array([0.0]), status=[4]), (0, 0, 0, 1)),
        (answer(np.array([0.0]), status=[2]), answer(np.array([0.0]), status=[3]), (0, 1, 0, 0)),
        (
            answer(Masked(np.array([1]), np.array([True])), status=[1]),
            answer(Masked(np.array([2]), np.array([True])), status=[1]),
            (1, 0, 0, 0),
        ),
    ],
    ids=["bits", "last bit", "nan", "integers", "text", "missing online", "missing offline", "reasons", "nulls"],
)
def test_each_pair_of_values_is_counted_once(online: Answer, offline: Answer, counts: tuple[int, ...]) -> None:
    rows = len(online.statuses["x"])
    told = compare("s", online, offline, np.zeros(rows, np.int64), {"x": np.ones(rows, np.bool_)}).counts
    assert tuple(told[name] for name in ("equal", "mismatch", "missing_online", "missing_offline")) == counts
    assert told["compared"] == rows

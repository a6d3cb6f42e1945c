"""What views expect of events, where events come in; and what their events look like."""

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve

from intonaco.core.errors import DefinitionError, InvalidError, MissingError, QualityError
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, StreamSource, TableSource, columns, mean
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.writing.statistics import DAY_US, statistics
from intonaco.infra.storage.checks import Check, InRange, NotNull, Unique
from intonaco.infra.storage.quality.expectations import Expectation, aside, warn
from intonaco.infra.storage.quality.gates import verdicts

HOUR_US = 3_600_000_000
PASSED = TableSource("passed", {"late": "float64", "line": "str?", "seats": "int64"}, time="when")
DELAYS = FeatureView(
    name="delays", entity=Entity("stop", {"stop": "str"}), source=PASSED, features=[mean("late", over="3h"), columns("line")]
)
LATENESS = FeatureSet(name="lateness", features=[DELAYS])
MOST = InRange("late", -60, 600)


def events(*late: float | None, hours: float = 1.0, line: str = "x") -> pa.Table:
    size = len(late)
    when = pa.array([int(hours * HOUR_US)] * size, pa.timestamp("us", "UTC"))
    columns = {"stop": [f"s{row}" for row in range(size)], "when": when, "late": pa.array(late, pa.float64())}
    return pa.table({**columns, "line": [line] * size, "seats": [1] * size})


def expecting(store: FeatureStore, *expectations: Check | Expectation) -> FeatureView:
    view = evolve(DELAYS, expectations=expectations)
    store.apply([FeatureSet(name="lateness", features=[view])])
    return view


def means(store: FeatureStore, at_us: int, rows: int = 3, *, offline: bool = False) -> list[float | None]:
    keys = {"stop": np.array([f"s{row}" for row in range(rows)], dtype=object)}
    found = np.asarray((store.read_offline if offline else store.read)("lateness", keys, at_us).columns["late_mean_3h"])
    return [None if np.isnan(value) else float(value) for value in found]


def test_a_view_expects_only_what_its_source_has() -> None:
    with pytest.raises(DefinitionError, match="expects something of 'lat'"):
        evolve(DELAYS, expectations=[InRange("lat", 0)])


def test_expectations_are_recorded_and_no_part_of_the_meaning(store: FeatureStore) -> None:
    store.apply([LATENESS])
    changed = evolve(DELAYS, expectations=[warn(MOST), NotNull("line", share=0.5)])
    assert {step.action for step in store.apply([changed])} <= {"same", "describe"}
    found = store.registry.get("view", "delays").definition
    assert found == changed


def test_a_write_to_a_table_is_held_to_what_its_views_expect(store: FeatureStore) -> None:
    expecting(store, aside(MOST), warn(NotNull("line")))
    done = store.write("passed", events(1.0, 9999.0), by="tests")
    assert (done.snapshot.rows, done.aside, done.kept) == (1, 1, "table:default/passed.refused@0")
    assert store.write("else", pa.table({"x": [1]})).snapshot.rows == 1
    assert [each.violations for each in verdicts(store.workspace.stream, "default/passed")] == [1, 0]


def test_a_refused_write_leaves_the_table_as_it_is(store: FeatureStore) -> None:
    expecting(store, MOST)
    with pytest.raises(QualityError, match="violate InRange"):
        store.write("passed", events(1.0, 9999.0))
    with pytest.raises(MissingError):
        store.workspace.tables.snapshot("default/passed")


def test_pushed_events_that_are_kept_aside_take_no_effect_online(store: FeatureStore) -> None:
    expecting(store, aside(MOST))
    assert store.push("lateness", events(1.0, 9999.0, 3.0)) == 2
    assert means(store, 2 * HOUR_US) == [1.0, None, 3.0]
    assert store.workspace.tables.snapshot("default/passed.refused").rows == 1


def test_a_push_that_is_refused_changes_nothing(store: FeatureStore) -> None:
    expecting(store, MOST)
    for _ in range(2):
        with pytest.raises(QualityError):
            store.push("lateness", events(1.0, 9999.0))
    assert means(store, 2 * HOUR_US, 2) == [None, None]
    assert store.workspace.tables.snapshot("default/passed.refused").rows == 1


def test_rows_that_are_in_the_table_answer_alike_online_and_offline_and_are_told(store: FeatureStore) -> None:
    store.workspace.tables.write("default/passed", events(1.0, 9999.0, 3.0))
    expecting(store, aside(MOST))
    done = store.materialize("lateness", 2 * HOUR_US)
    assert "1 of 3 rows for default/passed violate InRange" in done[0].warnings[0]
    assert means(store, 2 * HOUR_US) == means(store, 2 * HOUR_US, offline=True) == [1.0, 9999.0, 3.0]


def test_materialization_that_is_refused_moves_no_watermark_until_the_expectation_is_mended(store: FeatureStore) -> None:
    store.workspace.tables.write("default/passed", events(1.0, 9999.0, 3.0))
    expecting(store, MOST)
    for _ in range(2):
        with pytest.raises(QualityError):
            store.materialize("lateness", 2 * HOUR_US)
    assert means(store, 2 * HOUR_US) == [None] * 3
    assert store.workspace.tables.snapshot("default/passed.refused").rows == 1
    expecting(store, warn(MOST))
    assert store.materialize("lateness", 2 * HOUR_US)[0].rows == 3


@pytest.mark.parametrize("expectation", [MOST, aside(MOST)], ids=["refuse", "aside"])
def test_a_streamed_event_that_is_not_as_expected_goes_to_the_dead_letters_and_the_others_go_on(
    store: FeatureStore, expectation: Check | Expectation
) -> None:
    source = StreamSource("passed", {"late": "float64", "line": "str?", "seats": "int64"}, time="when")
    view = evolve(DELAYS, source=source, expectations=[expectation])
    store.apply([FeatureSet(name="lateness", features=[view])])
    with store.consumer(["lateness"]) as consumer:
        store.append("delays", events(1.0, 9999.0, 3.0))
        consumer.drain()
    assert means(store, 2 * HOUR_US) == [1.0, None, 3.0]
    [letter] = store.dead_letters("delays")
    assert letter.reason == "it violates InRange(column='late', low=-60, high=600)"
    assert store.workspace.tables.snapshot("default/passed").rows == 2


def test_what_judges_rows_together_cannot_keep_some_aside() -> None:
    with pytest.raises(InvalidError):
        aside(Unique("stop"))


def test_statistics_of_days_add_up_and_are_counted_once(store: FeatureStore) -> None:
    store.apply([LATENESS])
    tables = store.workspace.tables
    assert statistics(tables, "default", "delays", 1).columns == ()
    tables.write("default/passed", events(1.0, 3.0, None))
    store.materialize("lateness", 2 * HOUR_US)
    store.materialize("lateness", 2 * HOUR_US)
    tables.write("default/passed", pa.concat_tables([events(5.0, hours=3.0), events(9.0, hours=30.0, line="y")]))
    store.materialize("lateness", 2 * DAY_US)
    found = statistics(tables, "default", "delays", 1)
    assert {day: summary.rows for day, summary in found.days["late"].items()} == {0: 4, 1: 1}
    first = found.days["late"][0]
    assert (first.nulls, first.mean, first.least, first.greatest, first.distinct) == (1, 3.0, 1.0, 5.0, 3)
    assert first.std == pytest.approx(np.std([1, 3, 5]))
    assert found.total("line").top == {"x": 4, "y": 1}
    assert found.total("late").quantile(1.0) == pytest.approx(9.0, rel=0.016)

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from intonaco.core.errors import InvalidError, MissingError, QualityError
from intonaco.infra.storage.checks import HasType, InRange, NotNull, Unique
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.quality.expectations import aside, refuse, warn
from intonaco.infra.storage.quality.gates import Gate, verdicts
from intonaco.infra.storage.quality.quarantine import refused_table
from intonaco.infra.storage.sqlite import SqliteStream
from intonaco.infra.storage.streams import Stream
from intonaco.infra.storage.tables import TableStore

TABLE = "a/readings"
ROWS = pa.table({"sensor": ["roof", "cellar", None], "humid": [50.0, 150.0, 60.0]})


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[TableStore]:
    with DeltaTableStore.open(f"file:{tmp_path / 'tables'}") as store:
        yield store


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    with SqliteStream.open(f"sqlite:{tmp_path / 'streams.db'}") as store:
        yield store


def kept(tables: TableStore, table: str = TABLE) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = tables.read(tables.snapshot(refused_table(table))).to_pylist()
    return rows


def test_a_warning_lets_every_row_pass_and_is_told(tables: TableStore) -> None:
    done = Gate(tables, TABLE, [warn(InRange("humid", 0, 100))]).write(ROWS)
    assert (done.snapshot.rows, done.aside, done.kept) == (3, 0, "")
    assert "1 of 3 rows for a/readings violate InRange" in done.warnings[0]
    with pytest.raises(MissingError):
        kept(tables)


def test_rows_kept_aside_leave_the_others_to_be_written(tables: TableStore) -> None:
    done = Gate(tables, TABLE, [aside(InRange("humid", 0, 100)), aside(NotNull("sensor"))], by="tests").write(ROWS, at_us=7)
    assert tables.read(done.snapshot).to_pylist() == [{"sensor": "roof", "humid": 50.0}]
    assert (done.aside, done.kept) == (2, "table:a/readings.refused@0")
    high, nameless = kept(tables)
    assert (high["sensor"], high["humid"], high["refused_row"], high["refused_mode"]) == ("cellar", 150.0, 1, "aside")
    assert "InRange" in str(high["refused_check"])
    assert (nameless["humid"], nameless["refused_by"], nameless["refused_row"]) == (60.0, "tests", 2)
    assert str(nameless["refused_at"]) == "1970-01-01 00:00:00.000007+00:00"


def test_a_refused_write_writes_nothing_and_keeps_its_bad_rows(tables: TableStore) -> None:
    gate = Gate(tables, TABLE, [refuse(InRange("humid", 0, 100)), aside(NotNull("sensor"))])
    with pytest.raises(QualityError, match="violate InRange") as caught:
        gate.write(ROWS)
    assert "nothing was written, the bad rows are kept in table:a/readings.refused@0" in caught.value.hint
    with pytest.raises(MissingError):
        tables.snapshot(TABLE)
    assert [row["refused_mode"] for row in kept(tables)] == ["refuse", "aside"]


@pytest.mark.parametrize("token", ["", "batch 7"])
def test_the_same_bad_rows_are_kept_once_however_often_they_come(tables: TableStore, token: str) -> None:
    gate = Gate(tables, TABLE, [aside(InRange("humid", 0, 100))])
    for at_us in range(3):
        gate.write(ROWS, token=token, at_us=at_us)
    assert len(kept(tables)) == 1
    gate.write(pa.table({"sensor": ["roof"], "humid": [-1.0]}))
    assert [row["humid"] for row in kept(tables)] == [150.0, -1.0]


def test_bad_rows_of_other_columns_are_kept_in_a_table_of_their_own(tables: TableStore) -> None:
    gate = Gate(tables, TABLE, [HasType("humid", "float64"), NotNull("sensor")])
    for rows in (ROWS, pa.table({"sensor": ["roof"], "humid": ["wet"]})):
        with pytest.raises(QualityError):
            gate.write(rows)
    other = next(name for name in tables.names() if name.startswith(refused_table(TABLE) + "."))
    assert tables.read(tables.snapshot(other))["humid"].to_pylist() == ["wet"]


def test_a_column_of_another_type_is_refused_whole(tables: TableStore) -> None:
    with pytest.raises(QualityError, match="3 of 3 rows"):
        Gate(tables, TABLE, [HasType("sensor", "int64")]).write(ROWS)


def test_a_share_of_nulls_may_be_missing(tables: TableStore) -> None:
    Gate(tables, TABLE, [NotNull("sensor", share=0.4)]).write(ROWS)
    with pytest.raises(QualityError, match="1 of 3 rows"):
        Gate(tables, TABLE, [NotNull("sensor", share=0.3)]).write(ROWS)


def test_only_rows_that_are_judged_by_themselves_can_be_kept_aside() -> None:
    with pytest.raises(InvalidError, match="judges rows together"):
        aside(Unique("sensor"))


def test_every_verdict_is_recorded_those_that_hold_too(tables: TableStore, stream: Stream) -> None:
    gate = Gate(tables, TABLE, [warn(InRange("humid", 0, 100)), Unique("sensor")], by="tests", stream=stream)
    assert verdicts(stream, TABLE) == []
    gate.write(ROWS, at_us=1)
    found = verdicts(stream, TABLE)
    assert [(each.mode, each.rows, each.violations, each.at_us) for each in found] == [("warn", 3, 1, 1), ("refuse", 3, 0, 1)]
    assert found[0].value == pytest.approx(1 / 3)


def test_rows_that_are_in_their_table_already_pass_though_they_are_kept_aside(tables: TableStore) -> None:
    admitted = Gate(tables, TABLE, [aside(InRange("humid", 0, 100))]).admit(ROWS, keep_bad=True)
    assert (admitted.rows.num_rows, admitted.aside) == (3, 1)
    assert len(kept(tables)) == 1


def test_rows_of_a_stream_are_judged_one_by_one_and_nothing_is_kept(tables: TableStore, stream: Stream) -> None:
    gate = Gate(
        tables, TABLE, [InRange("humid", 0, 100), aside(NotNull("sensor")), warn(InRange("humid", 55)), Unique("sensor")], stream=stream
    )
    reasons = gate.reasons(ROWS, at_us=1)
    assert sorted(reasons) == [1, 2]
    assert reasons[2] == "it violates NotNull(columns=('sensor',), share=0.0)"
    assert [each.mode for each in verdicts(stream, TABLE)] == ["refuse", "aside", "warn"]
    assert tables.names() == []
    assert gate.reasons(ROWS.slice(0, 0)) == {}


def test_verdicts_that_are_old_are_let_go(tables: TableStore, stream: Stream) -> None:
    gate = Gate(tables, TABLE, [warn(InRange("humid", 0, 100))] + [warn(InRange("humid", low)) for low in range(499)], stream=stream)
    for _ in range(24):
        gate.admit(ROWS)
    assert stream.read("a/quality/readings", limit=1)[0][0] == 2001
    assert len(verdicts(stream, TABLE, limit=20_000)) == 10_000

"""What every table store must keep."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from intonaco.core.columns import Masked
from intonaco.core.errors import CorruptError, InvalidError, MissingError, QualityError, SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.storage.arrow import from_arrow, to_arrow
from intonaco.infra.storage.checks import InRange, NotNull
from intonaco.infra.storage.tables import Snapshot, TableStore
from intonaco.infra.storage.values import value_digest
from intonaco.infra.testing.rows import tables
from intonaco.infra.testing.stores import StoreContract
from intonaco.infra.testing.table_batches import BatchCases

__all__ = ["TableStoreContract", "same"]

REFUSED: dict[str, pa.Array] = {
    "nanoseconds": pa.array([1], pa.timestamp("ns", "UTC")),
    "a time without zone": pa.array([1], pa.timestamp("us")),
    "a time of another zone": pa.array([1], pa.timestamp("us", "Europe/Berlin")),
    "milliseconds": pa.array([1], pa.timestamp("ms", "UTC")),
    "a date": pa.array([1], pa.date32()),
    "a decimal of more than 38 digits": pa.array([Decimal("1.10")], pa.decimal256(39, 2)),
    "a duration": pa.array([1], pa.duration("us")),
    "a time of day": pa.array([1], pa.time64("us")),
    "half precision": pa.array([1.0], pa.float16()),
    "a struct": pa.array([{"x": 1}]),
    "a map": pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int64())),
    "nothing but nulls": pa.nulls(1),
    "a null inside a list": pa.array([[1, None]]),
    "a list of varying lists": pa.array([[[1], [1, 2]]]),
    "categories of numbers": pa.array([1]).dictionary_encode(),
}


_property = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)


def same(left: pa.Table, right: pa.Table) -> bool:
    """Whether two tables have equal declarations and, bit for bit, equal values."""
    return left.schema.equals(right.schema, check_metadata=True) and value_digest(left) == value_digest(right)


def _numbers(*values: int) -> pa.Table:
    return to_arrow({"n": np.array(values, dtype=np.int64)}, Schema.of(n="int64"))


class TableStoreContract(BatchCases, StoreContract):
    """Subclass it with the fixtures `url` and `store`, which yields the store behind it, open.

    Where you can damage a stored part, override `damage`.
    """

    @pytest.fixture
    def store(self) -> TableStore:
        """A store without tables, closed after the test."""
        raise NotImplementedError

    def damage(self, store: TableStore, name: str) -> None:
        """Change one bit of the stored part `name`."""
        pytest.skip("this store cannot be damaged from outside")

    @staticmethod
    def keep(store: TableStore, mark: str, number: int) -> None:
        """A commit of two rows to a table that all share."""
        store.write(f"contract/{mark}", _numbers(number, -1))

    @staticmethod
    def kept(store: TableStore, mark: str) -> list[int]:
        """Of the rows of the newest version, whose number is that of its commits."""
        snapshot = store.snapshot(f"contract/{mark}")
        rows: list[int] = store.read(snapshot)["n"].to_pylist()
        assert rows[1::2] == [-1] * (snapshot.version + 1), "each commit is whole, and makes one version"
        return rows[::2]

    def test_rows_come_back_in_the_order_in_which_they_were_written(self, store: TableStore) -> None:
        first = store.write("default/t", _numbers(3, 1))
        second = store.write("default/t", _numbers(2))
        assert (first.version, second.version, second.rows) == (0, 1, 3)
        assert store.read(second)["n"].to_pylist() == [3, 1, 2]
        assert store.snapshot("default/t") == second
        assert second.reference == "table:default/t@1"

    def test_an_old_version_stays_as_it_was(self, store: TableStore) -> None:
        versions = [store.write("default/t", _numbers(0)), store.write("default/t", _numbers(1, 2), mode="replace")]
        versions.append(store.write("default/t", _numbers(3)))
        assert [store.read(each)["n"].to_pylist() for each in versions] == [[0], [1, 2], [1, 2, 3]]
        assert [store.snapshot("default/t", number) for number in range(3)] == versions

    def test_replacing_may_change_the_schema(self, store: TableStore) -> None:
        old = store.write("default/t", _numbers(1))
        new = store.write("default/t", pa.table({"s": ["x"]}), mode="replace")
        assert (old.schema.names, new.schema.names) == (("n",), ("s",))
        assert store.read(old).column_names == ["n"]
        assert store.snapshot("default/t", 0).schema == old.schema

    def test_some_columns_are_read_in_the_order_asked_for(self, store: TableStore) -> None:
        snapshot = store.write("default/t", pa.table({"a": [1], "b": ["x"], "c": [2.0]}))
        assert store.read(snapshot, ["c", "a"]).to_pydict() == {"c": [2.0], "a": [1]}
        with pytest.raises(SchemaError, match="'d'"):
            store.read(snapshot, ["d"])

    def test_an_empty_table_is_a_commit(self, store: TableStore) -> None:
        snapshot = store.write("default/t", _numbers())
        assert (snapshot.version, snapshot.rows) == (0, 0)
        assert store.read(snapshot).schema.names == ["n"]
        assert store.write("default/t", _numbers()).version == 1

    def test_names_are_listed_by_project(self, store: TableStore) -> None:
        assert store.names() == []
        for name in ("b/t", "a/u", "a/t"):
            store.write(name, _numbers())
        assert store.names() == ["a/t", "a/u", "b/t"]
        assert store.names("a") == ["a/t", "a/u"]
        assert store.names("c") == []

    def test_what_is_not_there_is_missing(self, store: TableStore) -> None:
        with pytest.raises(MissingError, match="default/t"):
            store.snapshot("default/t")
        store.write("default/t", _numbers())
        for version in (1, -1):
            with pytest.raises(MissingError, match="default/t"):
                store.snapshot("default/t", version)

    @pytest.mark.parametrize("table", ["", "t", "/t", "a/", "a/b/c", "../t", "a/..", "a/.t", "a/t\n", "a/t\0", "a b/t", "%2e%2e/t"])
    def test_a_hostile_name_is_refused(self, store: TableStore, table: str) -> None:
        with pytest.raises(InvalidError):
            store.write(table, _numbers())
        with pytest.raises(InvalidError):
            store.snapshot(table)
        assert store.names() == []

    @pytest.mark.parametrize("kind", REFUSED)
    def test_a_column_that_would_change_is_refused(self, store: TableStore, kind: str) -> None:
        with pytest.raises(SchemaError, match="column 'x'"):
            store.write("default/t", pa.table({"x": REFUSED[kind]}))
        assert store.names() == []

    @pytest.mark.parametrize(
        "columns",
        [
            {},
            {"n": [1.5]},
            {"n": ["x"]},
            {"m": [1]},
            {"n": [1], "m": [1]},
            {"n": pa.array([None], pa.int64())},
            {"n": pa.array([1], pa.int32())},
        ],
    )
    def test_rows_of_another_schema_are_refused(self, store: TableStore, columns: dict[str, Any]) -> None:
        before = store.write("default/t", _numbers(1))
        with pytest.raises(SchemaError):
            store.write("default/t", pa.table(columns))
        assert store.snapshot("default/t") == before

    def test_categories_are_kept_and_others_refused(self, store: TableStore) -> None:
        schema = Schema((Field("c", "str", categories=("x", "y"), nullable=True),))
        rows = to_arrow({"c": Masked(np.array(["y", "x"], dtype=object), np.array([False, True]))}, schema)
        snapshot = store.write("default/t", rows)
        assert snapshot.schema == schema
        assert same(store.read(snapshot), rows)
        assert store.read(store.write("default/t", pa.table({"c": ["x"]})))["c"].to_pylist() == ["y", None, "x"]
        with pytest.raises(SchemaError, match="'z'"):
            store.write("default/t", pa.table({"c": ["z"]}))

    def test_null_and_nan_stay_apart(self, store: TableStore) -> None:
        rows = pa.table({"x": pa.array([1.0, float("nan"), None])})
        found = store.read(store.write("default/t", rows))["x"]
        assert found.null_count == 1
        assert np.isnan(found[1].as_py())
        np.testing.assert_array_equal(from_arrow(pa.table({"x": found}))["x"], [1.0, np.nan, np.nan])

    def test_a_failed_check_leaves_nothing(self, store: TableStore) -> None:
        with pytest.raises(QualityError, match=r"InRange.*row 1"):
            store.write("default/t", _numbers(1, 9), checks=[NotNull("n"), InRange("n", 0, 5)])
        assert store.names() == []
        assert store.write("default/t", _numbers(1), checks=[InRange("n", 0, 5)]).version == 0

    def test_of_two_writes_with_a_token_the_first_takes_effect(self, store: TableStore, reopen: Callable[[], TableStore]) -> None:
        first = store.write("default/t", _numbers(1), token="once")
        store.write("default/t", _numbers(2))
        assert store.write("default/t", _numbers(1), token="once") == first
        with reopen() as other:
            assert other.write("default/t", _numbers(1), mode="replace", token="once") == first
        assert store.snapshot("default/t").rows == 2

    def test_of_eight_writers_with_one_token_one_takes_effect(self, store: TableStore) -> None:
        with ThreadPoolExecutor(8) as threads:
            snapshots = list(threads.map(lambda number: store.write("default/t", _numbers(number), token="once"), range(8)))
        assert len(set(snapshots)) == 1
        assert store.snapshot("default/t").rows == 1

    def test_the_digest_is_of_schema_and_values(self, store: TableStore) -> None:
        def written(data: pa.Table) -> Snapshot:
            return store.write(f"default/{uuid4().hex}", data)

        rows = pa.table({"n": [1, 2], "s": ["x", "y"]})
        chunked = pa.concat_tables([rows.slice(0, 1), rows.slice(1)])
        large = rows.set_column(1, "s", rows["s"].cast(pa.large_string()))
        others = [rows.rename_columns(["m", "s"]), rows.slice(0, 1), rows.take([1, 0]), rows.set_column(0, "n", pa.array([1, 3]))]
        assert {written(each).digest for each in (rows, chunked, large)} == {written(rows).digest}
        assert len({written(each).digest for each in (rows, *others)}) == 5

    def test_appends_of_two_threads_are_all_kept(self, store: TableStore) -> None:
        def append(writer: int) -> list[int]:
            return [store.write("default/t", _numbers(writer * 100 + turn)).version for turn in range(10)]

        with ThreadPoolExecutor(4) as threads:
            versions = [version for each in threads.map(append, range(4)) for version in each]
        assert sorted(versions) == list(range(40))
        kept = store.read(store.snapshot("default/t"))["n"].to_pylist()
        assert sorted(kept) == sorted(writer * 100 + turn for writer in range(4) for turn in range(10))

    def test_a_reader_sees_whole_versions_during_a_hundred_overwrites(self, store: TableStore, reopen: Callable[[], TableStore]) -> None:
        store.write("default/t", _numbers(*[0] * 10))
        done = threading.Event()

        def overwrite() -> None:
            try:
                for turn in range(1, 101):
                    store.write("default/t", _numbers(*[turn] * (10 + turn)), mode="replace")
            finally:
                done.set()

        with ThreadPoolExecutor(1) as threads, reopen() as reader:
            writing = threads.submit(overwrite)
            while not done.is_set():
                snapshot = reader.snapshot("default/t")
                assert reader.read(snapshot)["n"].to_pylist() == [snapshot.version] * (10 + snapshot.version)
            writing.result()
            assert reader.snapshot("default/t").version == 100

    @_property
    @given(rows=tables())
    def test_every_kind_of_row_comes_back_bit_for_bit(self, store: TableStore, rows: pa.Table) -> None:
        table = f"default/{uuid4().hex}"
        assert same(store.read(store.write(table, rows)), rows)
        twice = store.read(store.write(table, rows))
        assert same(twice, pa.concat_tables([rows, rows]))
        name = rows.column_names[-1]
        assert same(store.read(store.snapshot(table, 0), [name]), rows.select([name]))

    def test_times_are_kept_to_the_microsecond(self, store: TableStore) -> None:
        moments = [datetime(1, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, 5, 0, 0, 1, tzinfo=UTC)]
        moments.append(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
        snapshot = store.write("default/t", pa.table({"t": pa.array(moments, pa.timestamp("us", "UTC"))}))
        assert store.read(snapshot)["t"].to_pylist() == moments

    def test_what_was_written_is_there_after_opening_again(self, store: TableStore, reopen: Callable[[], TableStore]) -> None:
        snapshots = [store.write("default/t", _numbers(1)), store.write("default/t", _numbers(2))]
        with reopen() as other:
            assert other.snapshot("default/t") == snapshots[1]
            assert other.snapshot("default/t", 0) == snapshots[0]
            assert other.read(snapshots[1])["n"].to_pylist() == [1, 2]
            assert other.write("default/t", _numbers(3)).version == 2
        assert store.snapshot("default/t").rows == 3

    def test_a_damaged_part_is_refused_by_name(self, store: TableStore, reopen: Callable[[], TableStore]) -> None:
        snapshot = store.write("default/t", _numbers(*range(1000)))
        self.damage(store, snapshot.parts[0].name)
        for other in (store, reopen()):
            with pytest.raises(CorruptError, match=snapshot.parts[0].name):
                other.read(snapshot)

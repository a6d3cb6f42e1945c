"""What every table store must keep of rows that are written in batches."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.errors import InvalidError, MissingError, QualityError, SchemaError
from intonaco.infra.storage.checks import InRange, Unique
from intonaco.infra.storage.tables import TableStore

__all__ = ["BatchCases"]

_MILLION = 1_000_000


def _batch(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def _breaking(error: Exception) -> Iterator[pa.Table]:
    yield _batch(1)
    raise error


class BatchCases:
    """Part of `TableStoreContract`."""

    def test_batches_are_one_commit_that_nobody_sees_before_its_end(self, store: TableStore, reopen: Callable[[], TableStore]) -> None:
        def batches(other: TableStore) -> Iterator[pa.Table]:
            for first in range(0, 2 * _MILLION + 2, _MILLION):
                yield pa.table({"n": np.arange(first, first + _MILLION)})
                with pytest.raises(MissingError):
                    other.snapshot("default/t")
            yield _batch()

        with reopen() as other:
            snapshot = store.write("default/t", batches(other))
            assert (snapshot.version, snapshot.rows) == (0, 3 * _MILLION)
            found = other.read(other.snapshot("default/t"))["n"].to_numpy()
        np.testing.assert_array_equal(found, np.arange(3 * _MILLION))

    @pytest.mark.parametrize("size", [1, 3, 999_999, 1_000_000, 1_000_001, 2_500_000])
    def test_the_digest_is_that_of_the_same_rows_in_one_table(self, store: TableStore, size: int) -> None:
        rows = pa.table({"n": np.arange(2_500_000 if size > 3 else 10), "s": pa.repeat("x", 2_500_000 if size > 3 else 10)})
        whole = store.write("default/whole", rows)
        made = store.write("default/batches", (rows.slice(start, size) for start in range(0, rows.num_rows, size)))
        assert (made.digest, made.rows) == (whole.digest, whole.rows)
        assert store.read(made).equals(store.read(whole))

    def test_batches_are_appended_and_replace_like_a_table(self, store: TableStore) -> None:
        store.write("default/t", _batch(1))
        appended = store.write("default/t", iter([_batch(2), _batch(3)]))
        assert store.read(appended)["n"].to_pylist() == [1, 2, 3]
        twice = (pa.table({"twice": [2 * value for value in batch["n"].to_pylist()]}) for batch in store.batches(appended))
        replaced = store.write("default/t", twice, mode="replace")
        assert store.read(replaced)["twice"].to_pylist() == [2, 4, 6]
        assert store.read(appended)["n"].to_pylist() == [1, 2, 3]

    def test_batches_that_break_off_leave_nothing_to_be_seen(self, store: TableStore) -> None:
        for error, kind in ((RuntimeError("no more"), RuntimeError), (SchemaError("no such column"), SchemaError)):
            with pytest.raises(kind, match="no"):
                store.write("default/t", _breaking(error), token="once")
        assert store.names() == []
        assert store.write("default/t", iter([_batch(1)]), token="once").version == 0

    def test_a_batch_of_another_schema_than_the_first_is_refused(self, store: TableStore) -> None:
        with pytest.raises(SchemaError, match="'n'"):
            store.write("default/t", iter([_batch(1), pa.table({"n": ["x"]})]))
        with pytest.raises(SchemaError, match="m"):
            store.write("default/t", iter([_batch(1), pa.table({"m": [1]})]))
        assert store.names() == []

    def test_no_batch_is_a_commit_where_the_table_is_known(self, store: TableStore) -> None:
        with pytest.raises(InvalidError, match="default/t"):
            store.write("default/t", iter([]))
        assert store.names() == []
        store.write("default/t", iter([_batch()]))
        assert store.write("default/t", iter([])).version == 1

    def test_each_batch_is_held_to_the_checks_of_single_rows(self, store: TableStore) -> None:
        with pytest.raises(QualityError, match="InRange"):
            store.write("default/t", iter([_batch(1), _batch(9)]), checks=[InRange("n", 0, 5)])
        with pytest.raises(InvalidError, match="Unique"):
            store.write("default/t", iter([_batch(1)]), checks=[Unique(("n",))])
        assert store.names() == []
        assert store.write("default/t", iter([_batch(1), _batch(2)]), checks=[InRange("n", 0, 5)]).rows == 2

    def test_batches_under_a_token_that_took_effect_are_not_made(self, store: TableStore) -> None:
        first = store.write("default/t", iter([_batch(1)]), token="once")
        assert store.write("default/t", _breaking(AssertionError("made again")), token="once") == first

    def test_batches_of_several_writers_are_all_kept_each_together(self, store: TableStore) -> None:
        store.write("default/t", _batch())

        def write(writer: int) -> int:
            return store.write("default/t", (_batch(10 * writer + number) for number in range(5))).version

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(write, range(4))) == [1, 2, 3, 4]
        kept = store.read(store.snapshot("default/t"))["n"].to_pylist()
        written = [kept[start : start + 5] for start in range(0, 20, 5)]
        assert sorted(written) == [[10 * writer + number for number in range(5)] for writer in range(4)]

    def test_a_snapshot_is_read_batch_by_batch(self, store: TableStore) -> None:
        store.write("default/t", pa.table({"a": [1, 2], "b": ["x", "y"]}))
        snapshot = store.write("default/t", pa.table({"a": [3], "b": ["z"]}))
        batches = list(store.batches(snapshot, ["b"]))
        assert pa.concat_tables(batches).to_pydict() == {"b": ["x", "y", "z"]}
        assert store.read(snapshot.of_parts(0, 0)).num_rows == 0
        assert [batch.num_rows for batch in store.batches(snapshot.of_parts(0, 0))] == [0]

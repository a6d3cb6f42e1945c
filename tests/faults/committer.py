"""Not a test: a process that commits to a store, or tells all that it holds.

committer.py write KIND FOLDER WRITER COUNT   commits pairs (0 to COUNT - 1), prints each number once it was acknowledged
committer.py read KIND FOLDER                 prints a JSON list of all [writer, number, half]
committer.py open KIND FOLDER                 opens and closes the store

The folder of a catalog may be the URL of one on a server.
"""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack

from intonaco.core.errors import IntonacoError

Row = list[int]


def lmdb(folder: str, opened: ExitStack) -> tuple[Callable[[int, int], object], Callable[[], list[Row]]]:
    from intonaco.infra.storage.entries import VALUE
    from intonaco.infra.storage.lmdb import LmdbStore

    store = opened.enter_context(LmdbStore.open(f"lmdb:{folder}/online"))

    def commit(writer: int, number: int) -> int:
        return store.put([(b"%d/%d/%d" % (writer, number, half), number, b"%d" % half * 100) for half in (0, 1)])

    def read() -> list[Row]:
        # by key too: a scan does not see what only a search misses
        rows = [[int(part) for part in key.split(b"/")] for key, _ in store.scan()]
        searched = [b"0/%d/%d" % (number, half) for number in range(50) for half in (0, 1)]
        values = store.get([b"%d/%d/%d" % tuple(row) for row in rows] + searched)
        assert all(entry == (row[1], b"%d" % row[2] * 100) for row, entry in zip(rows, values, strict=False))
        near = store.stored_under(b"0/")([b"%d/%d" % (number, half) for number in range(50) for half in (0, 1)])
        assert [stored and stored[VALUE] for stored in near] == [entry and entry[1] for entry in values[len(rows) :]]
        return rows

    return commit, read


def stream(folder: str, opened: ExitStack) -> tuple[Callable[[int, int], object], Callable[[], list[Row]]]:
    from intonaco.infra.storage.sqlite import SqliteStream

    store = opened.enter_context(SqliteStream.open(f"sqlite:{folder}/streams.db"))

    def commit(writer: int, number: int) -> int:
        return store.append("faults/pairs", [json.dumps([writer, number, half]).encode() for half in (0, 1)])

    return commit, lambda: [json.loads(value) for _, value in store.read("faults/pairs", limit=10**6)]


def catalog(folder: str, opened: ExitStack) -> tuple[Callable[[int, int], object], Callable[[], list[Row]]]:
    import sqlalchemy as sql

    from intonaco.infra.storage.catalog.catalog import Catalog
    from intonaco.infra.storage.catalog.leases import Leases
    from intonaco.infra.storage.catalog.seals import verify
    from intonaco.infra.storage.record import CHANGES

    store = opened.enter_context(Catalog.open(folder if "://" in folder else f"sqlite:{folder}/catalog.db"))
    leases = Leases(store)

    def commit(writer: int, number: int) -> None:
        with store.transaction() as connection:
            for half in (0, 1):
                store.record_change(connection, "pairs", json.dumps([writer, number, half]))

    def read() -> list[Row]:
        leases.take("reader", "me", 1)
        with store.read() as connection:  # as a room reads rows that it sealed
            rows = connection.execute(sql.select(CHANGES)).mappings().all()
        for row in rows:
            verify(row, leave_out={"number"}, where=store.where)
        return [json.loads(row["subject"]) for row in rows]

    return commit, read


KINDS = {"lmdb": lmdb, "stream": stream, "catalog": catalog}


def main(verb: str, kind: str, folder: str, *numbers: str) -> None:
    with ExitStack() as opened:
        commit, read = KINDS[kind](folder, opened)
        if verb == "read":
            sys.stdout.write(json.dumps(read()))
        elif verb == "write":
            for number in range(int(numbers[1])):
                commit(int(numbers[0]), number)
                sys.stdout.write(f"{number}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except IntonacoError as error:
        sys.exit(f"{type(error).__name__}: {error}")

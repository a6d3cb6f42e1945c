"""Making the tables of one catalog equal to those of another, by their keys, with bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sql
from attrs import define

from intonaco.core.errors import InvalidError
from intonaco.infra.storage.databases import Database
from intonaco.infra.storage.record import MOVES
from intonaco.infra.storage.rooms import Room

__all__ = ["Synced", "sync_table", "tables_of", "unknown_tables"]

_BATCH = 1000
_OURS = {"alembic_version", MOVES.name}

Row = tuple[Any, ...]


@define
class Synced:
    """What was done to make a table equal."""

    equal: int = 0
    written: int = 0
    removed: int = 0


def tables_of(rooms: Sequence[Room]) -> list[sql.Table]:
    """All tables of the rooms, but the journal of moves, which each catalog has of its own."""
    return [table for room in rooms for table in room.tables.sorted_tables if table.name != MOVES.name]


def unknown_tables(database: Database, rooms: Sequence[Room]) -> list[str]:
    """Tables of rooms that are not installed here."""
    known = {table.name for table in tables_of(rooms)} | _OURS
    with database.engine.execution_options(reads=True).connect() as connection:
        return sorted(set(sql.inspect(connection).get_table_names()) - known - {"sqlite_sequence"})


def sync_table(table: sql.Table, source: sql.Connection, target: Database, progress: Callable[[Synced], None] = lambda _: None) -> Synced:
    """Make the target's table equal to the source's, in transactions of some rows each; equal rows are left alone."""
    done = Synced()
    keys = _key_of(table)
    with target.engine.execution_options(reads=True).connect() as reading:
        steps = _steps(keys, _rows(source, table), _rows(reading, table))
        while batch := list(islice(steps, _BATCH)):
            _apply(table, keys, target, batch, done)
            progress(done)
    with target.engine.begin() as connection:
        target.count_on(connection, table)
    return done


def _key_of(table: sql.Table) -> list[int]:
    names = [column.name for column in table.columns]
    if not table.primary_key.columns:
        raise InvalidError(f"the table {table.name} has no key, so it cannot be moved")
    return [names.index(column.name) for column in table.primary_key]


def _rows(connection: sql.Connection, table: sql.Table) -> Iterator[Row]:
    """All rows by their keys, read in batches, each behind the last row of the one before."""
    keys = list(table.primary_key)
    query = sql.select(table).order_by(*keys).limit(_BATCH)
    rows = connection.execute(query).all()
    while rows:
        yield from (tuple(_plain(value) for value in row) for row in rows)
        last = sql.tuple_(*(sql.literal(rows[-1]._mapping[key], key.type) for key in keys))
        rows = connection.execute(query.where(sql.tuple_(*keys) > last)).all() if len(rows) == _BATCH else []


def _plain(value: Any) -> Any:
    return None if value != value else value  # SQLite keeps NaN as NULL


def _steps(keys: list[int], ours: Iterator[Row], theirs: Iterator[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Pairs of rows of one key from two sorted streams; None where one side has none."""
    ours, theirs = iter(ours), iter(theirs)
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and _order(mine, keys) < _order(other, keys)):
            yield mine, None
            mine = next(ours, None)
        elif mine is None or _order(other, keys) < _order(mine, keys):
            yield None, other
            other = next(theirs, None)
        else:
            yield mine, other
            mine, other = next(ours, None), next(theirs, None)


def _order(row: Row, keys: list[int]) -> tuple[Any, ...]:
    """As databases order it: text by its bytes."""
    return tuple(value.encode() if isinstance(value, str) else value for value in (row[key] for key in keys))


def _apply(table: sql.Table, keys: list[int], target: Database, batch: list[tuple[Row | None, Row | None]], done: Synced) -> None:
    columns = list(table.columns)
    stale = [other for mine, other in batch if other is not None and mine != other]
    fresh = [mine for mine, other in batch if mine is not None and mine != other]
    if stale or fresh:
        with target.engine.begin() as connection:
            for row in stale:
                connection.execute(table.delete().where(*(columns[key] == row[key] for key in keys)))
            if fresh:
                names = [column.name for column in columns]
                connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in fresh])
    done.equal += sum(mine is not None and mine == other for mine, other in batch)
    done.written += len(fresh)
    done.removed += sum(mine is None for mine, _ in batch)

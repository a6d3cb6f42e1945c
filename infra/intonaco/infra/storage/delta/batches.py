"""Rows on their way into a table: whole, or in batches that are made while they are written."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import pyarrow as pa
from attrs import define, field

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.core.schema import Schema
from intonaco.infra.storage.arrow import conform, schema_of
from intonaco.infra.storage.checks import Check, require

__all__ = ["Batches", "cut"]


@define(eq=False)
class Batches:
    """The rows of one write to a table; batches can be taken once."""

    table: str
    data: pa.Table | Iterable[pa.Table]
    checks: Sequence[Check] = ()
    _batches: Iterator[pa.Table] = field(init=False, repr=False)
    _schema: Schema | None = field(default=None, init=False)
    _taken: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        together = next((check for check in self.checks if not check.alone), None)
        if together is not None and not self.whole:
            fault = f"{together} judges the rows of {self.table} together, and they come in batches"
            raise InvalidError(fault, hint="write them as one table", field="checks")
        self._batches = iter((self.data,) if self.whole else self.data)

    @property
    def whole(self) -> bool:
        """Whether all rows are there at once, to be taken as often as is needed."""
        return isinstance(self.data, pa.Table)

    def schema(self) -> Schema:
        """The schema that the first batch declares; InvalidError if there is none."""
        if self._schema is None:
            self._schema = schema_of(self._first())
        return self._schema

    def _first(self) -> pa.Table:
        if self.whole:
            return self.data
        first = next(self._batches, None)
        if first is None:
            fault = f"no rows for table {self.table}, so that nothing says what its columns are"
            raise InvalidError(fault, hint="give at least one batch: an empty one will do")
        self._batches = chain((first,), self._batches)
        return first

    def parts(self, schema: Schema, rows: int) -> Iterator[pa.Table]:
        """The rows, which conform to the schema and hold the checks, in pieces of so many.

        Raises
        ------
        ConflictError
            They came in batches, and were taken before.
        """
        if self._taken and not self.whole:
            raise ConflictError(f"table {self.table} got another schema while rows were written to it", hint="write them again")
        self._taken = True
        return cut((self._held(batch, schema) for batch in ((self.data,) if self.whole else self._batches)), rows)

    def _held(self, batch: pa.Table, schema: Schema) -> pa.Table:
        held = conform(batch, schema)
        require(self.table, held, self.checks)
        return held


def cut(batches: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in pieces of so many, the last of fewer, wherever the batches end."""
    held: list[pa.Table] = []
    missing = rows
    for batch in batches:
        rest = batch
        while rest.num_rows >= missing:
            yield pa.concat_tables([*held, rest.slice(0, missing)])
            held, rest, missing = [], rest.slice(missing), rows
        if rest.num_rows:
            held.append(rest)
            missing -= rest.num_rows
    if held:
        yield pa.concat_tables(held)

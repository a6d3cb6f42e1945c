"""Reading features online: one batched read for all rows and views, no catalog, bit for bit what is read offline."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal, cast

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import SchemaError, UnavailableError
from intonaco.infra.compute.timeline import as_us_array
from intonaco.infra.features.entries.keys import entity_key
from intonaco.infra.features.online.answer import Answer, complete
from intonaco.infra.features.online.compiled import ODD, Keys, RowFunction, compile_keys, compile_row
from intonaco.infra.features.online.fetching import Source
from intonaco.infra.features.online.onerow import OneRow
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.row import Row
from intonaco.infra.features.online.rowreader import RowReader
from intonaco.infra.features.online.viewcolumns import ViewColumns
from intonaco.infra.features.online.viewreader import ViewReader
from intonaco.infra.features.online.viewrows import ViewRows
from intonaco.infra.storage.keyvalue import KeyValueStore, Stored

__all__ = ["OnUnavailable", "OnlineReader"]

Ints = NDArray[np.int64]
#: What a read does if the store does not answer: answer without it, or raise UnavailableError.
OnUnavailable = Literal["degrade", "raise"]


@define(eq=False)
class OnlineReader:
    """Reads a plan's features from a key-value store. May be called from any thread.

    Parameters
    ----------
    on_unavailable
        `degrade`: a read of a store that does not answer gives each feature's default, with the status `defaulted`, or
        `missing` where it has none, and says so. `raise`: it raises UnavailableError.
    """

    plan: ReadPlan
    keyvalue: KeyValueStore = field(repr=False)
    on_unavailable: OnUnavailable = field(default="raise", kw_only=True)
    #: The features of one row: `row(keys, at_us, deadline_s=None)`, as `RowReader` says; much quicker than a `read` of one.
    row: RowFunction = field(init=False, repr=False)
    _source: Source = field(init=False, repr=False)
    _one: OneRow | None = field(init=False, repr=False)
    _views_alone: bool = field(init=False, repr=False)
    _views: "tuple[_View, ...]" = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        prefix, readers = ViewReader.all_of(self.plan)
        self._source = Source(self.keyvalue, prefix)
        self._views = tuple(_View.of(reader) for reader in readers)
        self._one = OneRow.of(self.plan, readers, self._source)
        read = tuple(output.name for view in self.plan.views for output in view.outputs)
        self._views_alone = read == self.plan.features.names
        self.row = self._first_row

    def _first_row(self, keys: Mapping[str, Any], at_us: int, deadline_s: float | None = None) -> Row:
        """As `row`, which it writes: whoever reads many rows never needs it."""
        if self.row == self._first_row:
            readers = tuple(view.reader for view in self._views)
            careful = RowReader(self.plan, readers, self._source, self.on_unavailable == "degrade")
            self.row = compile_row(self.plan, readers, self._source, careful)
        return self.row(keys, at_us, deadline_s)

    @property
    def degraded(self) -> str:
        """Why the store is not asked at the moment; empty while it is."""
        return self._source.degraded

    def probe(self, timeout_s: float) -> str:
        """Ask the store for nothing in particular: why it does not answer, or empty if it does."""
        try:
            self._source.within(timeout_s)([b"\x00"])
        except UnavailableError as error:
            return self._source.failed(error)
        return ""

    def read(self, columns: Columns, at_us: Any, *, deadline_s: float | None = None) -> Answer:
        """The features of rows as of their moments.

        Parameters
        ----------
        columns
            The plan's inputs: keys and request columns.
        at_us : shape (rows,)
            The moment of each row.
        deadline_s
            How long the store may take; None leaves it to the store.

        Raises
        ------
        InvalidError
            A moment lies before the newest event; the past is read offline.
        SchemaError
            A key is absent or of a wrong type.
        UnavailableError
            The store did not answer, and reads are not to be answered without it.
        """
        moments = as_us_array(at_us)
        rows = len(moments)
        if rows == 1 and self._one is not None:
            try:
                single = self._one.read(columns, int(moments[0]), deadline_s)
            except UnavailableError as error:
                return self._without_store(error, columns, moments)
            if single is not None:
                return single if isinstance(single, Answer) else self._answered(single, columns, moments)
        keys, odd = self._views[0].keys(columns, rows) if len(self._views) == 1 else self._all_keys(columns, rows)
        try:
            stored = self._source.stored if deadline_s is None else self._source.within(deadline_s)
            found = _spread(keys, stored) if odd else stored(cast("Sequence[bytes]", keys))
        except UnavailableError as error:
            return self._without_store(error, columns, moments)
        return self._answered(found, columns, moments)

    def _answered(self, found: Sequence[bytes | None], columns: Columns, moments: Ints, degraded: tuple[str, ...] = ()) -> Answer:
        """The answer that what is stored gives, view after view."""
        answer, rows = Answer(columns={}, statuses={}, degraded=degraded), len(moments)
        for number, view in enumerate(self._views):
            view.answer(found if len(self._views) == 1 else found[number * rows : (number + 1) * rows], moments, answer)
        return answer if self._views_alone else complete(self.plan, answer, columns, moments)

    def _without_store(self, error: UnavailableError, columns: Columns, moments: Ints) -> Answer:
        """What is answered, if anything, while the store is not."""
        reason = self._source.failed(error)
        if self.on_unavailable == "raise":
            raise error
        return self._answered([None] * (len(self._views) * len(moments)), columns, moments, (reason,))

    def _all_keys(self, columns: Columns, rows: int) -> tuple[Sequence[bytes | None], bool]:
        keys = [view.keys(columns, rows) for view in self._views]
        return list(chain.from_iterable(each for each, _ in keys)), any(odd for _, odd in keys)


def _spread(keys: Sequence[bytes | None], stored: Stored) -> list[bytes | None]:
    """What is stored for each row; None where it has no key."""
    found = iter(stored([key for key in keys if key is not None]))
    return [None if key is None else next(found) for key in keys]


@define(eq=False)
class _View:
    """One view of a plan: from columns to keys, and from entries to columns."""

    reader: ViewReader
    rows: ViewRows
    columns: ViewColumns
    _keys: Keys

    @classmethod
    def of(cls, reader: ViewReader) -> "_View":
        return cls(reader, ViewRows(reader), ViewColumns(reader), compile_keys(reader))

    def keys(self, columns: Columns, rows: int) -> tuple[Sequence[bytes | None], bool]:
        """The key of each row, None where one of its parts is null; and whether there may be such."""
        names, dtypes = zip(*self.reader.plan.keys, strict=True)
        lists = [_plain_keys(columns, name, rows) for name in names]
        try:
            return self._keys(*lists), False
        except ODD:
            return [entity_key(self.reader.prefix, each, dtypes, names) for each in zip(*lists, strict=True)], True

    def answer(self, entries: Sequence[bytes | None], at_us: Ints, into: Answer) -> None:
        """Add the view's features to an answer."""
        if len(at_us):
            self.columns.fill(self.rows.find(entries, at_us), at_us, into)
        else:
            self.columns.fill(self.rows.nothing(0), at_us, into)


def _plain_keys(columns: Mapping[str, Column], name: str, rows: int) -> list[Any]:
    if name not in columns:
        raise SchemaError(f"the request lacks the key {name!r}", field=name)
    column = columns[name]
    values = column.values if isinstance(column, Masked) else column
    if isinstance(column, Ragged) or not isinstance(values, np.ndarray) or len(values) != rows:
        raise SchemaError(f"the request has {len(column)} values of {name!r} for {rows} moments", field=name)
    plain: list[Any] = (values.astype("datetime64[us]").astype(np.int64) if values.dtype.kind == "M" else values).tolist()
    if not isinstance(column, Masked) or not column.missing.any():
        return plain
    return [None if no else value for value, no in zip(plain, column.missing.tolist(), strict=True)]

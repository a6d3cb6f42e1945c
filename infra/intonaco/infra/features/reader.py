"""Reading features online: one batched read for all rows and views, no catalog, bit for bit what is read offline."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import SchemaError
from intonaco.infra.compute.algebra import finalize, unordered
from intonaco.infra.compute.timeline import NEVER, as_us_array, cut, is_expired, tail
from intonaco.infra.features.answer import NO_AGE, Answer, complete, settle, status_codes
from intonaco.infra.features.keys import entity_key
from intonaco.infra.features.plan import Output, ReadPlan
from intonaco.infra.features.viewreader import ViewReader
from intonaco.infra.storage.keyvalue import KeyValueStore

__all__ = ["OnlineReader"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
#: A validity that no age passes.
_FOR_EVER = 2**63 - 1


@frozen(eq=False)
class _Group:
    """Features of one aggregate that are finalized together, and the words that each takes."""

    kind: str
    floats: bool
    places: NDArray[np.intp]
    resolutions: NDArray[np.float64]
    outputs: NDArray[np.intp]


@frozen(eq=False)
class _Times:
    """What the rule of time needs of all views and windows, as arrays."""

    delays: Ints
    limits: Ints
    overs: Ints
    hops: Ints
    owners: NDArray[np.intp]
    slices: tuple[slice, ...]

    @classmethod
    def of(cls, views: Sequence[ViewReader]) -> "_Times":
        windows = [(number, window) for number, view in enumerate(views) for window in view.windows]
        ends = np.cumsum([0, *(len(view.windows) for view in views)]).tolist()
        return cls(
            np.array([view.shape.layout.delay_us for view in views], dtype=np.int64),
            np.array([[_FOR_EVER if view.plan.valid_for_us is None else view.plan.valid_for_us] for view in views], dtype=np.int64),
            np.array([window.over_us for _, window in windows], dtype=np.int64),
            np.array([window.hop_us for _, window in windows], dtype=np.int64),
            np.array([number for number, _ in windows], dtype=np.intp),
            tuple(slice(start, end) for start, end in pairwise(ends)),
        )

    def of_rows(self, at_us: Ints) -> tuple[list[list[int]], list[list[int]]]:
        """For each row the cut of each view, and the first hop of each window of all views."""
        cuts = cut(at_us[:, None], self.delays)
        return cuts.tolist(), tail(cuts[:, self.owners], self.overs, self.hops).tolist()


@define(eq=False)
class OnlineReader:
    """Reads a plan's features from a key-value store. May be called from any thread."""

    plan: ReadPlan
    keyvalue: KeyValueStore = field(repr=False)
    _views: tuple[ViewReader, ...] = field(init=False)
    _times: _Times = field(init=False)
    _groups: tuple[_Group, ...] = field(init=False)
    _names: tuple[tuple[str, int, Output], ...] = field(init=False)
    _owners: NDArray[np.intp] = field(init=False)
    _order: tuple[str, ...] = field(init=False)
    _special: tuple[tuple[str, int, Output], ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._views = tuple(ViewReader.of(view, self.plan.project) for view in self.plan.views)
        self._times = _Times.of(self._views)
        self._names = tuple((output.name, number, output) for number, view in enumerate(self.plan.views) for output in view.outputs)
        self._groups = _grouped(self._views, self._names)
        self._owners = np.array([view for _, view, _ in self._names], dtype=np.intp)
        self._order = tuple(name for name, _, _ in self._names)
        self._special = tuple(each for each in self._names if _is_kept(each[2]) or each[2].default is not None)

    def read(self, columns: Columns, at_us: Any) -> Answer:
        """The features of rows as of their moments.

        Parameters
        ----------
        columns
            The plan's inputs: keys and request columns.
        at_us : shape (rows,)
            The moment of each row.

        Raises
        ------
        InvalidError
            A moment lies before events that are already folded; the past is read offline.
        """
        moments = as_us_array(at_us)
        keys = self._keys(columns, len(moments))
        entries = self.keyvalue.get([key for key in keys if key is not None])
        found = iter(entries)
        stored = [None if key is None else next(found) for key in keys]
        words, kept, newest = self._taken([None if entry is None else entry[1] for entry in stored], moments)
        return self._answer(words, kept, newest, columns, moments)

    def _keys(self, columns: Columns, rows: int) -> list[bytes | None]:
        """The key of each view for each row, row after row."""
        names = dict.fromkeys(name for view in self._views for name, _ in view.plan.keys)
        lists = {name: _plain_keys(columns, name, rows) for name in names}
        by_view = []
        for view in self._views:
            prefix, dtypes = view.prefix, view.dtypes
            values = zip(*(lists[name] for name, _ in view.plan.keys), strict=True)
            by_view.append([entity_key(prefix, each, dtypes) for each in values])
        return [key for row in zip(*by_view, strict=True) for key in row]

    def _taken(self, entries: Sequence[bytes | None], at_us: Ints) -> tuple[Ints, list[list[Any]], Ints]:
        """Merged words, shape (words, rows), kept values of each row and view, and newest event times, shape (views, rows)."""
        cuts, firsts = self._times.of_rows(at_us)
        words: list[list[int]] = []
        kept: list[list[Any]] = []
        newest: list[int] = []
        place = iter(entries)
        for at, row_cuts, row_firsts in zip(at_us.tolist(), cuts, firsts, strict=True):
            flat: list[int] = []
            for view, before, part in zip(self._views, row_cuts, self._times.slices, strict=True):
                entry = next(place)
                merged, values, latest = view.unknown if entry is None else view.words(entry, at, before, row_firsts[part])
                flat += merged
                kept.append(values)
                newest.append(latest)
            words.append(flat)
        return _as_words(words).T, kept, np.array(newest, dtype=np.int64).reshape(len(at_us), len(self._views)).T

    def _answer(self, words: Ints, kept: list[list[Any]], newest: Ints, request: Columns, at_us: Ints) -> Answer:
        seen = newest != NEVER
        ages = np.where(seen, at_us - np.where(seen, newest, 0), NO_AGE)
        expired = is_expired(ages, self._times.limits)
        all_seen, all_expired = seen[self._owners], expired[self._owners]
        values = self._windows(words, all_seen & ~all_expired)
        codes = status_codes(np.isnan(values), all_seen, all_expired)
        columns: dict[str, Column] = dict(zip(self._order, values, strict=True))
        statuses = dict(zip(self._order, codes, strict=True))
        for name, view, output in self._special:
            column = columns[name] if not _is_kept(output) else self._column(kept, view, output, seen[view] & ~expired[view])
            columns[name], statuses[name] = settle(column, seen[view], expired[view], output.default)
        read = Answer(columns=columns, statuses=statuses, ages=dict(zip(self._order, ages[self._owners], strict=True)))
        return complete(self.plan, read, request, at_us)

    def _windows(self, words: Ints, usable: Bools) -> NDArray[np.float64]:
        """Values of all features that are windows, NaN where there is none; shape (features, rows)."""
        values = np.full((len(self._names), words.shape[1]), np.nan)
        for group in self._groups:
            parts = [words[places] for places in group.places]
            finalized, held = finalize(group.kind, parts, group.resolutions, group.floats)
            values[group.outputs] = np.where(held & usable[group.outputs], finalized, np.nan)
        return values

    def _column(self, kept: list[list[Any]], view: int, output: Output, usable: Bools) -> Column:
        place = self._views[view].place_of_column(output.column)
        words = [kept[row * len(self._views) + view][place] if usable[row] else None for row in range(len(usable))]
        return _restored(words, output.dtype)


def _is_kept(output: Output) -> bool:
    """Whether a feature is a column whose values are no floats, so that it is read one by one."""
    return output.kind == "column" and output.dtype != "float64"


def _grouped(views: Sequence[ViewReader], names: Sequence[tuple[str, int, Output]]) -> tuple[_Group, ...]:
    starts = np.cumsum([0, *(len(view.empty) for view in views)])
    members: dict[tuple[str, bool], list[int]] = {}
    for number, (_, _, output) in enumerate(names):
        if not _is_kept(output):
            kind, floats = ("last", True) if output.kind == "column" else (output.kind, output.floats)
            members.setdefault((kind, floats), []).append(number)
    groups = []
    for (kind, floats), numbers in members.items():
        places = [[int(starts[names[n][1]]) + place for place in views[names[n][1]].place(names[n][2])] for n in numbers]
        resolutions = np.array([[names[n][2].resolution] for n in numbers])
        groups.append(_Group(kind, floats, np.array(places, dtype=np.intp).T, resolutions, np.array(numbers, dtype=np.intp)))
    return tuple(groups)


def _as_words(rows: list[list[int]]) -> NDArray[np.int64]:
    try:
        return np.array(rows, dtype=np.int64).reshape(len(rows), -1)
    except OverflowError:  # running sums may wrap around; their differences are right modulo 2^64
        wrapped = [[(word + 2**63) % 2**64 - 2**63 for word in row] for row in rows]
        return np.array(wrapped, dtype=np.int64).reshape(len(rows), -1)


def _plain_keys(columns: Mapping[str, Column], name: str, rows: int) -> list[Any]:
    if name not in columns:
        raise SchemaError(f"the request lacks the key {name!r}", field=name)
    column = columns[name]
    values = column.values if isinstance(column, Masked) else column
    if isinstance(column, Ragged) or not isinstance(values, np.ndarray) or len(values) != rows:
        raise SchemaError(f"the request has {len(column)} values of {name!r} for {rows} moments", field=name)
    plain = (values.astype("datetime64[us]").astype(np.int64) if values.dtype.kind == "M" else values).tolist()
    return (
        plain
        if not isinstance(column, Masked)
        else [None if no else value for value, no in zip(plain, column.missing.tolist(), strict=True)]
    )


def _restored(words: list[Any], dtype: str) -> Column:
    missing = np.array([word is None for word in words], dtype=np.bool_)
    if dtype in ("str", "json", "bytes"):
        blank: Any = b"" if dtype == "bytes" else ""
        texts = [blank if word is None else word if dtype == "bytes" else word.decode("utf-8", "surrogatepass") for word in words]
        values = np.empty(len(texts), dtype=object)
        values[:] = texts
        return Masked(values, missing)
    codes = np.array([0 if word is None else word for word in words], dtype=np.int64)
    if dtype.startswith("float"):
        return np.where(missing, np.nan, unordered(codes, True)).astype(dtype)
    return Masked(codes.view("datetime64[us]") if dtype == "timestamp" else codes.astype(dtype), missing)

"""Reading features online: one batched read for all rows and views, no catalog, bit for bit what is read offline."""

import sys
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import CorruptError, InvalidError, SchemaError
from intonaco.infra.compute.algebra import NONE, Measure, finalize, unordered
from intonaco.infra.compute.timeline import NEVER, as_us_array, cut, hop_of, is_expired, tail
from intonaco.infra.features.answer import NO_AGE, Answer, complete, settle
from intonaco.infra.features.entry import HEADER, HORIZON, LATEST, NEWEST, PENDING, TAG, Shape
from intonaco.infra.features.keys import entity_key, view_prefix
from intonaco.infra.features.plan import Output, ReadPlan, ViewPlan
from intonaco.infra.storage.keyvalue import KeyValueStore

__all__ = ["OnlineReader"]

if sys.byteorder != "little":
    raise ImportError("online entries are read in place, which takes a little-endian machine")

_Words = memoryview
_PENDING, _TIME = PENDING, 0


@frozen(eq=False)
class _Window:
    """One window of a view: the list of hops that it reads, and where the words of its measures are."""

    list: int
    over_us: int
    hop_us: int
    merges: tuple[tuple[int, int, int], ...]


_ADD, _GREATEST, _LAST, _FIRST = range(4)


@define(eq=False)
class _ViewReader:
    """Takes the words of one view's features out of entries."""

    plan: ViewPlan
    prefix: bytes
    shape: Shape
    windows: tuple[_Window, ...]
    columns: tuple[int, ...]
    empty: list[int] = field(init=False)

    @classmethod
    def of(cls, plan: ViewPlan, project: str) -> "_ViewReader":
        shape = Shape(plan.layout)
        lists = {each.hop_us: number for number, each in enumerate(plan.layout.hops)}
        windows: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        kept = [each.column for each in plan.layout.columns]
        for output in plan.outputs:
            if output.kind != "column":
                windows.setdefault((output.over_us, output.hop_us), []).extend(_merge(shape, measure) for measure in output.measures)
        made = tuple(_Window(lists[hop], over, hop, tuple(dict.fromkeys(merges))) for (over, hop), merges in windows.items())
        columns = tuple(dict.fromkeys(2 + kept.index(output.column) for output in plan.outputs if output.kind == "column"))
        return cls(plan, view_prefix(project, plan.view, plan.version), shape, made, columns)

    def __attrs_post_init__(self) -> None:
        self.empty = [0 if how == _ADD else NONE for window in self.windows for how, _, _ in window.merges]

    def place(self, output: Output) -> list[int]:
        """Where the words of a window's measures stand in what `words` gives."""
        wanted = [_merge(self.shape, measure) for measure in output.measures]
        start = 0
        for window in self.windows:
            if (window.over_us, window.hop_us) == (output.over_us, output.hop_us):
                return [start + window.merges.index(merge) for merge in wanted]
            start += len(window.merges)
        raise AssertionError("every window of the plan was compiled")

    def words(self, entry: bytes, at_us: int) -> tuple[list[int], list[Any], int]:
        """Merged words of all windows, values of kept columns, and the newest usable event time (NEVER if there is none)."""
        shape = self.shape
        whole = memoryview(entry)
        words = whole[: len(entry) & ~7].cast("q")
        if words[TAG] != shape.tag:
            raise CorruptError(f"an online entry of {self.plan.view!r} is of another format or layout", hint="materialize the view anew")
        before = cut(at_us, shape.layout.delay_us)
        if before < words[HORIZON]:
            self._refuse(at_us, words[LATEST])
        newest, pending = words[NEWEST], ()
        total = sum(words[HEADER : shape.start]) if shape.lists else 0
        behind = shape.start + total * (1 + shape.words)
        if words[_PENDING]:
            pending = self._usable(words, behind + shape.newest, before)
            newest = max([newest, *(event[_TIME] for event in pending)])
        merged = self._merged(words, total, before, pending)
        kept = self._kept(whole, words, behind, pending) if self.columns else []
        return merged, kept, newest

    def _refuse(self, at_us: int, latest: int) -> None:
        raise InvalidError(
            f"feature view {self.plan.view!r} knows events up to {latest} and cannot be read online as of {at_us}",
            hint="read the past offline: --offline",
            field="at",
        )

    def _usable(self, words: _Words, start: int, before: int) -> tuple[_Words, ...]:
        size = self.shape.event
        rows = [words[start + number * size : start + (number + 1) * size] for number in range(words[_PENDING])]
        return tuple(row for row in rows if row[_TIME] < before)

    def _merged(self, words: _Words, total: int, before: int, pending: tuple[_Words, ...]) -> list[int]:
        shape, merged = self.shape, []
        starts, place = [], shape.start
        for number in range(shape.lists):
            starts.append(place)
            place += words[HEADER + number]
        starts.append(place)
        for window in self.windows:
            first = tail(before, window.over_us, window.hop_us)
            start, end = starts[window.list], starts[window.list + 1]
            found = bisect_left(words, first, start, end)
            inside = [event for event in pending if hop_of(event[_TIME], window.hop_us) >= first] if pending else pending
            for how, word, event_word in window.merges:
                shift = (1 + word) * total
                if how == _ADD:
                    value = words[shift + end - 1] - words[shift + found - 1]
                    for event in inside:
                        value += event[event_word]
                else:
                    value = _extreme(how, words, shift, found, end, total, event_word, inside)
                merged.append(value)
        return merged

    def _kept(self, whole: _Words, words: _Words, behind: int, pending: tuple[_Words, ...]) -> list[Any]:
        size = self.shape.newest
        rows = [words[behind : behind + size], *(event[:size] for event in pending)]
        texts = whole[8 * words[7] :]
        row = max(rows, key=lambda row: tuple(self._comparable(row, texts))) if len(rows) > 1 else rows[0]
        return [self._value(column, row[column], texts) for column in self.columns]

    def _comparable(self, row: _Words, texts: memoryview) -> list[Any]:
        plain = list(row)
        for column in self.shape.texts:
            value = self._value(column, row[column], texts)
            plain[column] = (value is not None, value or b"")
        return plain

    def _value(self, column: int, word: int, texts: memoryview) -> Any:
        if word == NONE or column not in self.shape.texts:
            return None if word == NONE else word
        return bytes(texts[word >> 32 : (word >> 32) + (word & 0xFFFF_FFFF)])


def _merge(shape: Shape, measure: Measure) -> tuple[int, int, int]:
    """How a measure merges, its word in a hop, and its word in a pending event."""
    number = shape.layout.measures.index(measure)
    how = _ADD if measure.adds else (_LAST if measure.kind == "last" else _FIRST) if measure.by_time else _GREATEST
    return how, shape.places()[number], 2 + shape.columns + number


def _extreme(how: int, words: _Words, shift: int, found: int, end: int, total: int, event_word: int, pending: Sequence[_Words]) -> int:
    """The greatest word, or the value of the newest or oldest event that holds one."""
    if how == _GREATEST:
        return max([NONE, *words[shift + found : shift + end], *(event[event_word] for event in pending)])
    candidates = [
        (words[shift + hop], words[shift + total + hop], words[shift + 2 * total + hop])
        for hop in range(found, end)
        if words[shift + 2 * total + hop] != NONE
    ]
    for event in pending:
        if event[event_word] != NONE:
            time, created = event[_TIME], event[1]
            candidates.append((~time, ~created, event[event_word]) if how == _FIRST else (time, created, event[event_word]))
    return max(candidates)[2] if candidates else NONE


@frozen(eq=False)
class _Group:
    """Features of one aggregate that are finalized together, and the words that each takes."""

    kind: str
    floats: bool
    places: NDArray[np.intp]
    resolutions: NDArray[np.float64]
    outputs: tuple[int, ...]


@define(eq=False)
class OnlineReader:
    """Reads a plan's features from a key-value store. May be called from any thread."""

    plan: ReadPlan
    keyvalue: KeyValueStore = field(repr=False)
    _views: tuple[_ViewReader, ...] = field(init=False)
    _groups: tuple[_Group, ...] = field(init=False)
    _names: tuple[tuple[str, int, Output], ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._views = tuple(_ViewReader.of(view, self.plan.project) for view in self.plan.views)
        self._names = tuple((output.name, number, output) for number, view in enumerate(self.plan.views) for output in view.outputs)
        self._groups = _grouped(self._views, self._names)

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
        wanted = [key for row in keys for key in row if key is not None]
        found = dict(zip(wanted, self.keyvalue.get(wanted), strict=True))
        words, kept, newest = [], [], []
        for row, at in zip(keys, moments.tolist(), strict=True):
            flat: list[int] = []
            for view, key in zip(self._views, row, strict=True):
                entry = None if key is None else found[key]
                merged, values, latest = (view.empty, [None] * len(view.columns), NEVER) if entry is None else view.words(entry[1], at)
                flat += merged
                kept.append(values)
                newest.append(latest)
            words.append(flat)
        shape = (len(moments), len(self._views))
        return self._answer(_as_words(words), kept, np.array(newest, dtype=np.int64).reshape(shape), columns, moments)

    def _keys(self, columns: Columns, rows: int) -> list[list[bytes | None]]:
        lists: dict[str, list[Any]] = {}
        for view in self._views:
            for name, _ in view.plan.keys:
                if name not in lists:
                    lists[name] = _plain_keys(columns, name, rows)
        by_view = []
        for view in self._views:
            dtypes = [dtype for _, dtype in view.plan.keys]
            values = zip(*(lists[name] for name, _ in view.plan.keys), strict=True)
            by_view.append([entity_key(view.prefix, each, dtypes) for each in values])
        return [list(row) for row in zip(*by_view, strict=True)]

    def _answer(
        self, words: NDArray[np.int64], kept: list[list[Any]], newest: NDArray[np.int64], request: Columns, at_us: NDArray[np.int64]
    ) -> Answer:
        seen = newest != NEVER
        ages = np.where(seen, at_us[:, None] - np.where(seen, newest, 0), NO_AGE)
        expired = np.stack([is_expired(ages[:, i], view.plan.valid_for_us) for i, view in enumerate(self._views)], axis=1)
        usable = seen & ~expired
        values = self._windows(words, usable)
        columns: dict[str, Column] = {}
        statuses: dict[str, NDArray[np.uint8]] = {}
        for number, (name, view, output) in enumerate(self._names):
            column = values[:, number] if output.kind != "column" else self._column(kept, view, output, usable[:, view])
            columns[name], statuses[name] = settle(column, seen[:, view], expired[:, view], output.default)
        read = Answer(columns=columns, statuses=statuses, ages={name: ages[:, view] for name, view, _ in self._names})
        return complete(self.plan, read, request, at_us)

    def _windows(self, words: NDArray[np.int64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
        values = np.full((len(words), len(self._names)), np.nan)
        for group in self._groups:
            parts = [words[:, places] for places in group.places]
            flat, held = _finalized(group, parts)
            allowed = usable[:, [self._names[number][1] for number in group.outputs]]
            values[:, group.outputs] = np.where(held & allowed, flat, np.nan)
        return values

    def _column(self, kept: list[list[Any]], view: int, output: Output, usable: NDArray[np.bool_]) -> Column:
        reader, views = self._views[view], len(self._views)
        names = [each.column for each in reader.plan.layout.columns]
        place = reader.columns.index(2 + names.index(output.column))
        words = [kept[row * views + view][place] if usable[row] else None for row in range(len(usable))]
        return _restored(words, output.dtype)


def _grouped(views: Sequence[_ViewReader], names: Sequence[tuple[str, int, Output]]) -> tuple[_Group, ...]:
    starts = np.cumsum([0, *(len(view.empty) for view in views)])
    members: dict[tuple[str, bool], list[int]] = {}
    for number, (_, _, output) in enumerate(names):
        if output.kind != "column":
            members.setdefault((output.kind, output.floats), []).append(number)
    groups = []
    for (kind, floats), numbers in members.items():
        places = [[int(starts[names[n][1]]) + place for place in views[names[n][1]].place(names[n][2])] for n in numbers]
        resolutions = np.array([names[n][2].resolution for n in numbers])
        groups.append(_Group(kind, floats, np.array(places, dtype=np.intp).T, resolutions, tuple(numbers)))
    return tuple(groups)


def _finalized(group: _Group, parts: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The group's features of all rows through the one `finalize`."""
    rows, features = parts[0].shape
    resolutions = np.broadcast_to(group.resolutions, (rows, features)).ravel()
    values, held = finalize(group.kind, [part.ravel() for part in parts], resolutions, group.floats)
    return values.reshape(rows, features), held.reshape(rows, features)


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
    return plain if not isinstance(column, Masked) else [None if no else value for value, no in zip(plain, column.missing.tolist(), strict=True)]


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

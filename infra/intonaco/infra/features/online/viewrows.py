"""Many entries of a view at once: results as one array, and those few that have to be merged one by one."""

from collections.abc import Sequence
from struct import Struct
from typing import Any, cast

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.defined.layout import Aggregate, Kept
from intonaco.infra.features.entries.entry import decode
from intonaco.infra.features.entries.results import aggregates_at
from intonaco.infra.features.entries.resultvalues import result_of
from intonaco.infra.features.entries.shape import HEADER, LATEST, NULLS, TAG, TEXTS, WORDS, holds_floats, places_of
from intonaco.infra.features.online.movedrows import MovedRows
from intonaco.infra.features.online.viewreader import ViewReader, other_layout
from intonaco.infra.storage.entries import VALUE

__all__ = ["Found", "ViewRows"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
#: Rows from which it is quicker to merge them all at once; with states that vary in length, two.
_ENOUGH, _ENOUGH_VARYING = 24, 2
_FLOAT = Struct("<d")
_INTEGER = Struct("<q")
_NAN = int.from_bytes(_FLOAT.pack(float("nan")), "little")


@frozen(eq=False)
class Found:
    """What was found for rows in the entries of a view.

    Parameters
    ----------
    words : shape (wanted, rows)
        Bits of floats, NaN where null; whole numbers, NEVER where null; without meaning for texts and lists.
    texts
        Texts and lists of the results that are such, by their number; None where null.
    nulls : shape (wanted, rows)
        None if there are none.
    newest : shape (rows,)
        The newest usable event; NEVER if there is none.
    seen
        Whether every row has one.
    """

    words: Ints
    texts: dict[int, list[Any]]
    nulls: Bools | None
    newest: Ints
    seen: bool


@define(eq=False)
class ViewRows:
    """Finds the features of one view in many entries."""

    reader: ViewReader
    _places: slice | NDArray[np.intp] = field(init=False)
    _moved: MovedRows = field(init=False)
    _enough: int = field(init=False)
    _size: int = field(init=False)
    _head: slice = field(init=False)
    _floats: Bools = field(init=False)
    _texts: tuple[int, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        shape = self.reader.shape
        self._places = places_of([HEADER + place for place in self.reader.wanted])
        self._moved = MovedRows(self.reader)
        self._enough = _ENOUGH_VARYING if shape.varying else _ENOUGH
        self._size = 8 * shape.head
        self._head = slice(VALUE.start, VALUE.start + self._size)
        self._floats = np.array([[holds_floats(kind)] for kind in self.reader.kinds], dtype=np.bool_)
        self._texts = tuple(number for number, kind in enumerate(self.reader.kinds) if is_text(kind))

    def find(self, entries: Sequence[bytes | None], at_us: Ints) -> Found:
        """What stored entries tell of their rows' moments; None is an entity of which nothing is known."""
        size, head = self._size, self._head
        try:
            heads = b"".join([entry[head] for entry in entries])  # type: ignore[index]
        except TypeError:
            return self._with_unknown(entries, at_us)
        if len(heads) != size * len(entries):
            raise other_layout(self.reader.plan.view)
        by_word = np.frombuffer(heads, dtype="<i8").reshape(len(entries), size >> 3).T.copy()
        return self._find(by_word, cast("Sequence[bytes]", entries), at_us)

    def _find(self, head: Ints, entries: Sequence[bytes], at_us: Ints) -> Found:
        if np.count_nonzero(head[TAG] != self.reader.shape.tag):
            raise other_layout(self.reader.plan.view)
        words, newest, seen = head[self._places], head[LATEST], True  # the head is this read's own
        alone, moved_nulls = self._moved.merge(head, entries, at_us - self.reader.shape.layout.delay_us, words)
        texts = {number: self._read(number, entries, words[number], head[WORDS]) for number in self._texts}
        nulls = moved_nulls or bool(np.count_nonzero(head[NULLS]))
        if np.count_nonzero(alone):
            newest, nulls = newest.copy(), True
            before = at_us - self.reader.shape.layout.delay_us
            together = alone & (newest < before)
            if np.count_nonzero(together) >= self._enough:
                self._merge(np.flatnonzero(together), entries, before, words, texts)
                alone &= ~together
            for row in np.flatnonzero(alone).tolist():
                values, newest[row] = self.reader.values(entries[row][VALUE], int(at_us[row]))
                self._put(words, texts, row, values)
            seen = bool((newest != NEVER).all())
        return Found(words, texts, self._nulls(words, texts) if nulls else None, newest, seen)

    def _merge(self, rows: NDArray[np.intp], entries: Sequence[bytes], before: Ints, words: Ints, texts: dict[int, list[Any]]) -> None:
        """Put aggregates that have to be merged into the results of rows, all at once."""
        shape = self.reader.shape
        taken = decode(shape, [entries[row][VALUE] for row in rows.tolist()], [])
        made = aggregates_at(shape, taken, before[rows])
        for slot, place in enumerate(self.reader.wanted):
            if place in made.lists:
                kind = self.reader.kinds[slot]
                values = made.lists[place].view(np.float64) if isinstance(kind, Aggregate) and kind.floats else made.lists[place]
                parts = np.split(values, np.cumsum(made.words[:, place])[:-1])
                for row, part in zip(rows.tolist(), parts, strict=True):
                    texts[slot][row] = tuple(part.tolist())
            elif place >= shape.columns:
                words[slot, rows] = made.words[:, place]

    def _read(self, number: int, entries: Sequence[bytes], words: Ints, sizes: Ints) -> list[Any]:
        """The values of a result that is a text or a list."""
        kind = self.reader.kinds[number]
        return [
            result_of(kind, word, entry[VALUE], size) for word, entry, size in zip(words.tolist(), entries, sizes.tolist(), strict=True)
        ]

    def _put(self, words: Ints, texts: dict[int, list[Any]], row: int, values: Sequence[Any]) -> None:
        for number, value in enumerate(values):
            if number in texts:
                texts[number][row] = value
            elif not self._floats[number, 0]:
                words[number, row] = NEVER if value is None else value
            else:
                words[number, row] = _NAN if value is None else _INTEGER.unpack(_FLOAT.pack(value))[0]

    def _nulls(self, words: Ints, texts: dict[int, list[Any]]) -> Bools:
        nulls: Bools = np.where(self._floats, np.isnan(words.view(np.float64)), words == NEVER)
        for number, values in texts.items():
            nulls[number] = [value is None for value in values]
        return nulls

    def _with_unknown(self, entries: Sequence[bytes | None], at_us: Ints) -> Found:
        known = [row for row, entry in enumerate(entries) if entry is not None]
        all_rows = self.nothing(len(entries))
        if known:
            assert all_rows.nulls is not None
            found = self.find([entries[row] for row in known], at_us[known])
            all_rows.words[:, known], all_rows.newest[known] = found.words, found.newest
            all_rows.nulls[:, known] = False if found.nulls is None else found.nulls
            for number, values in found.texts.items():
                for row, value in zip(known, values, strict=True):
                    all_rows.texts[number][row] = value
        return all_rows

    def nothing(self, rows: int) -> Found:
        """What is found for rows of which nothing is known."""
        words = np.where(self._floats, _NAN, NEVER) + np.zeros(rows, dtype=np.int64)
        texts: dict[int, list[Any]] = {number: [None] * rows for number in self._texts}
        return Found(words, texts, np.ones(words.shape, dtype=np.bool_), np.full(rows, NEVER, dtype=np.int64), False)


def is_text(kind: Kept | Aggregate) -> bool:
    """Whether a result is a text or a list, so that its word is a place among the bytes."""
    return kind.dtype in TEXTS if isinstance(kind, Kept) else kind.kind == "last_k"

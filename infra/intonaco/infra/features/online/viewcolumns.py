"""From what was found in entries to columns, with the status and age of each value."""

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged
from intonaco.core.fields import decimal_digits
from intonaco.infra.compute.decimals import as_objects
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.entries.shape import ENDLESS, TEXTS
from intonaco.infra.features.online.answer import NO_AGE, Answer, defaulted, status_codes
from intonaco.infra.features.online.plan import Output
from intonaco.infra.features.online.viewreader import ViewReader
from intonaco.infra.features.online.viewrows import Found

__all__ = ["ViewColumns"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@frozen(eq=False)
class _Made:
    """How a feature's column is made of the result that it is."""

    output: Output
    name: str
    slot: int
    limit: int
    plain: bool


@define(eq=False)
class ViewColumns:
    """Makes the columns of one view's features."""

    reader: ViewReader
    _made: tuple[_Made, ...] = field(init=False)
    _least: int = field(init=False)
    _names: tuple[str, ...] = field(init=False)
    _all_plain: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        made = []
        for output, slot in zip(self.reader.plan.outputs, self.reader.slots, strict=True):
            plain = output.dtype == "float64" and output.kind != "last_k"
            made.append(_Made(output, output.name, slot, limit_of(self.reader, output), plain))
        self._made = tuple(made)
        self._least = min(each.limit for each in made)
        self._names = tuple(each.name for each in made)
        self._all_plain = all(each.plain for each in made)

    def fill(self, found: Found, at_us: Ints, into: Answer) -> None:
        """Add the columns, statuses and ages of rows as of their moments to an answer."""
        if found.seen:
            ages = at_us - found.newest
            if found.nulls is None and (self._least == ENDLESS or ages.max() <= self._least):
                return self._fill_present(found, ages, into)
            seen = np.ones(len(ages), dtype=np.bool_)
        else:
            seen = found.newest != NEVER
            ages = np.where(seen, at_us - np.where(seen, found.newest, 0), NO_AGE)
        for each in self._made:
            expired = ages > each.limit
            missing = ~seen | expired
            if found.nulls is not None:
                missing = missing | found.nulls[each.slot]
            codes = status_codes(missing, seen, expired)
            column, codes = defaulted(self._column(each, found, missing), codes, each.output.default)
            into.columns[each.name], into.statuses[each.name], into.ages[each.name] = column, codes, ages
        return None

    def _fill_present(self, found: Found, ages: Ints, into: Answer) -> None:
        """Everything is there: one row of zeros serves all statuses."""
        into.ages.update(dict.fromkeys(self._names, ages))
        into.statuses.update(dict.fromkeys(self._names, np.zeros(len(ages), dtype=np.uint8)))
        if self._all_plain:
            rows = list(found.words.view(np.float64))
            into.columns.update(zip(self._names, [rows[slot] for slot in self.reader.slots], strict=True))
            return
        none = np.zeros(len(ages), dtype=np.bool_)
        for each in self._made:
            into.columns[each.name] = self._column(each, found, none)

    def _column(self, each: _Made, found: Found, missing: Bools) -> Column:
        """The feature's column, missing where it says so."""
        output, dtype = each.output, each.output.dtype
        if output.kind == "last_k":
            return _lists(found.texts[each.slot], missing, dtype)
        if dtype in TEXTS:
            return _texts(found.texts[each.slot], missing, dtype)
        words = found.words[each.slot]
        if dtype.startswith("float"):
            values = words.view(np.float64)
            return (np.where(missing, np.nan, values) if missing.any() else values).astype(dtype, copy=False)
        return _MAKERS.get(dtype, _whole)(np.where(missing, 0, words), missing, dtype)


def limit_of(reader: ViewReader, output: Output) -> int:
    """The age at which a feature expires, at the latest."""
    limit = reader.plan.limit_us(output)
    return ENDLESS if limit is None else limit


def _whole(words: Ints, missing: Bools, dtype: str) -> Column:
    return Masked(as_objects(words, dtype) if decimal_digits(dtype) else words.astype(dtype), missing)


def _timestamps(words: Ints, missing: Bools, dtype: str) -> Column:
    return Masked(words.view("datetime64[us]"), missing)


_MAKERS: dict[str, Callable[[Ints, Bools, str], Column]] = {"timestamp": _timestamps}


def _texts(found: list[Any], missing: Bools, dtype: str) -> Column:
    blank: Any = b"" if dtype == "bytes" else ""
    values = np.empty(len(found), dtype=object)
    values[:] = [blank if gone else text_of(value, dtype) for value, gone in zip(found, missing.tolist(), strict=True)]
    return Masked(values, missing)


def text_of(value: bytes, dtype: str) -> str | bytes:
    """The text behind its bytes."""
    return value if dtype == "bytes" else value.decode("utf-8", "surrogatepass")


def _lists(found: list[Any], missing: Bools, dtype: str) -> Column:
    rows = [() if gone else value for value, gone in zip(found, missing.tolist(), strict=True)]
    flat = [value for row in rows for value in row]
    values = as_objects(np.array(flat, dtype=np.int64), dtype) if decimal_digits(dtype) else np.array(flat, dtype=dtype)
    return Ragged(values, np.cumsum([0, *(len(row) for row in rows)]))

"""Hard streams of events for a view: ties, repeats, nulls, late and future-dated events, and moments at the edges of windows.

Needs hypothesis, which the extra `testing` installs.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from attrs import frozen

from intonaco.core.errors import InvalidError
from intonaco.core.fields import decimal_digits
from intonaco.core.schema import Field, Schema
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.storage.arrowtypes import arrow_schema

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["HardStream", "hard_streams"]

#: 2020-01-01, which every default hop is aligned to.
_START_US = 1_577_836_800_000_000
_MOST_EVENTS = 24
#: Whole numbers below this have squares that a variance can hold, and so many of them a sum.
_LARGEST = 2**44
_TEXTS = ("", "x", "é", "xx", "a text that is longer than a word")


@frozen(eq=False)
class HardStream:
    """Events in the order in which they arrive, and how they are written and read.

    Parameters
    ----------
    rows
        Of columns as the view's source has them.
    ends
        Where batches end among the rows.
    stored
        How many of the batches are materialized; the others are pushed.
    repeated
        Whether each batch is written twice under its number.
    later_us
        How long after the latest event all entities are read.
    keys
        Of the entities that are read; one of them has no events.
    """

    schema: Schema
    rows: tuple[tuple[Any, ...], ...]
    ends: tuple[int, ...]
    stored: int
    repeated: bool
    later_us: int
    keys: tuple[tuple[Any, ...], ...]

    @property
    def events(self) -> pa.Table:
        """All events."""
        return self.table(0, len(self.rows))

    def table(self, start: int, end: int) -> pa.Table:
        """Some of the events, in order."""
        arrow = arrow_schema(self.schema)
        columns = list(zip(*self.rows[start:end], strict=True)) or [()] * len(self.schema)
        return pa.table([pa.array(column, field.type) for column, field in zip(columns, arrow, strict=True)], schema=arrow)

    @property
    def batches(self) -> list[pa.Table]:
        """The events as they are written."""
        ends = [0, *self.ends, len(self.rows)]
        return [self.table(start, end) for start, end in pairwise(ends)]

    def to_json(self) -> dict[str, Any]:
        """What a person needs to see it happen."""
        rows = [dict(zip(self.schema.names, map(_shown, row), strict=True)) for row in self.rows]
        plan = {"ends": list(self.ends), "stored": self.stored, "repeated": self.repeated, "later_us": self.later_us}
        return {"events": rows, **plan, "keys": [[_shown(part) for part in key] for key in self.keys]}


def _shown(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def hard_streams(view: FeatureView) -> "SearchStrategy[HardStream]":
    """Streams that the view may be given.

    Raises
    ------
    InvalidError
        Hypothesis is not installed.
    """
    try:
        from hypothesis import strategies as st
    except ImportError as error:
        raise InvalidError("certificates need hypothesis, which is not installed", hint="pip install 'intonaco-infra[testing]'") from error
    schema, keys = _schema(view), _keys(view)
    columns = {each.name: st.sampled_from(_values(view, each)) for each in schema}
    columns[view.source.time] = _times(st, view)
    whole = st.tuples(*(st.sampled_from([key[number] for key in keys[:-1]] + [None]) for number in range(len(keys[0]))))
    usual = st.sampled_from(keys[:-1])
    rest = st.tuples(*(columns[name] for name in schema.names[len(keys[0]) :]))
    row = st.tuples(usual | whole, rest).map(lambda parts: (*parts[0], *parts[1]))
    marks = _marks(view)

    @st.composite
    def streams(draw: Any) -> HardStream:
        rows = draw(st.lists(row, max_size=_MOST_EVENTS))
        ends = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=3)))
        return HardStream(
            schema=schema,
            rows=tuple(rows),
            ends=tuple(ends),
            stored=draw(st.integers(0, len(ends) + 1)),
            repeated=draw(st.booleans()),
            later_us=max(0, draw(st.sampled_from(marks)) + draw(st.sampled_from([0, 1, -1]))) + draw(st.sampled_from([0, view.delay])),
            keys=keys,
        )

    return streams()


def _schema(view: FeatureView) -> Schema:
    """Keys first, then times, then what features are made of."""
    keys = {each.name: Field(each.name, each.dtype, nullable=True) for each in view.entity.keys}
    times = [view.source.time, *([view.source.created] if view.source.created else [])]
    moments = {name: Field(name, "timestamp", nullable=True) for name in times}
    made = {name: _nullable(view.source.columns[name]) for name in view.used if name not in keys and name not in moments}
    return Schema((*keys.values(), *(each for each in moments.values() if each.name not in keys), *made.values()))


def _nullable(field: Field) -> Field:
    return Field(field.name, field.dtype, nullable=True, categories=field.categories)


def _keys(view: FeatureView) -> tuple[tuple[Any, ...], ...]:
    """Entities; the last has no events."""
    parts = [_KEYS.get(key.dtype, _key_numbers(key.dtype)) for key in view.entity.keys]
    return tuple(tuple(part[number] for part in parts) for number in range(3))


_KEYS: Mapping[str, tuple[Any, ...]] = {
    "str": ("a", "\x00é", "never"),
    "bytes": (b"a", b"\x00\xff", b"never"),
    "bool": (True, True, False),
}


def _key_numbers(dtype: str) -> tuple[Any, ...]:
    return (0, 100, 7) if dtype.startswith("uint") else (0, -100, 7)


def _marks(view: FeatureView) -> list[int]:
    """Spans at which something changes: edges of hops and windows, the delay, the ends of validity; and none."""
    spans = {0, 1, view.delay, view.valid_for or 0, *(feature.valid_for_us or 0 for feature in view.features)}
    for feature in view.windows:
        spans |= {feature.hop_us, feature.over_us, feature.over_us + feature.hop_us, feature.over_us // 2}
    return sorted(spans)


def _times(st: Any, view: FeatureView) -> Any:
    """Times around the marks, so that few of them meet and all edges are met; seldom null."""
    near = st.builds(lambda mark, moved: _START_US + mark + moved, st.sampled_from(_marks(view)), st.sampled_from([0, 0, 1, -1]))
    return near | near | near | st.none()


def _values(view: FeatureView, field: Field) -> list[Any]:
    """Values of a column, with the edges of its type as far as what the view makes of it allows."""
    if field.name == view.source.created:
        return [_START_US, _START_US + 1, None]
    if field.categories:
        return [*field.categories[:3], None]
    digits = decimal_digits(field.dtype)
    if digits:
        largest = min(10 ** digits[0] - 1, _LARGEST)
        return [*(Decimal(number).scaleb(-digits[1]) for number in (0, -1, largest, 7 % 10 ** digits[0])), None]
    if field.dtype.startswith("float"):
        return _floats(view, field.name)
    return _VALUES[field.dtype] if field.dtype in _VALUES else _integers(field.dtype)


_VALUES: Mapping[str, list[Any]] = {
    "str": [*_TEXTS, None],
    "bytes": [*(text.encode() for text in _TEXTS), None],
    "json": ["{}", "[1]", '"x"', None],
    "bool": [True, False, None],
    "timestamp": [_START_US, 0, -1, None],
}


def _floats(view: FeatureView, column: str) -> list[Any]:
    """Floats that fixed point can hold with their squares, at the finest resolution that a feature declares."""
    finest = min((feature.resolution for feature in view.windows if feature.column == column), default=1.0)
    given = [0.0, -0.0, 0.5, -2.5, 0.1, 3e-7, 1e6, 2.0**43 * finest]
    return [value for value in given if abs(value) < _LARGEST * finest] + [None]


def _integers(dtype: str) -> list[Any]:
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    largest = min(2 ** (bits - (0 if dtype[0] == "u" else 1)) - 1, _LARGEST)
    return [0, 1, 3, largest, None] if dtype[0] == "u" else [0, 1, -3, largest, -largest, None]

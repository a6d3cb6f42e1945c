"""Schemas and rows of every kind, hard values among them, for hypothesis."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from intonaco.core.schema import DTYPES, Field, Schema
from intonaco.infra.storage.arrow import conform
from intonaco.infra.storage.arrowtypes import scalar_type

__all__ = ["fields", "scalars", "tables"]

_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_EXTREMES = [0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1]
_FLOATS = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308]
_WORDS = ("", "a", "ü", "\N{PILE OF POO}", "line\nbreak", "\0", "NULL", "nan", "x" * 300)


def _integers(least: int, greatest: int) -> st.SearchStrategy[int]:
    return st.integers(least, greatest) | st.sampled_from([each for each in _EXTREMES if least <= each <= greatest])


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    **{name: _integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _BITS.items()},
    **{f"u{name}": _integers(0, 2**bits - 1) for name, bits in _BITS.items()},
    "float32": st.floats(width=32) | st.sampled_from([0.0, -0.0, float("nan"), float("inf"), float("-inf")]),
    "float64": st.floats() | st.sampled_from(_FLOATS),
    "str": st.sampled_from(_WORDS) | st.text(max_size=5),
    "bytes": st.binary(max_size=5) | st.sampled_from([b"", b"\0", b"\xff" * 300]),
    "timestamp": _integers(-(2**62), 2**62),
    "decimal(5,2)": st.decimals(-999, 999, places=2),
    "decimal(38,0)": st.integers(1 - 10**38, 10**38 - 1).map(Decimal),
    "json": st.sampled_from(["null", "{}", '{"a": [1, 2.5, "ü"]}']),
}
_NAMES = ("a", "b", "a.b", "ü", "with space", "n/0", "list", "element")
_SHAPES = [(), (), (), (1,), (3,), (2, 2), (-1,), (-1, 2)]


def scalars(dtype: str) -> st.SearchStrategy[Any]:
    """Single values of a type, hard ones among them; times as microseconds."""
    return _VALUES[dtype]


def fields(name: str) -> st.SearchStrategy[Field]:
    """Fields of this name."""
    dtypes, shapes = st.sampled_from(sorted(DTYPES)), st.sampled_from(_SHAPES)
    plain = st.builds(Field, st.just(name), dtypes, nullable=st.booleans(), shape=shapes) | st.builds(
        Field, st.just(name), st.sampled_from(["decimal(5,2)", "decimal(38,0)"]), nullable=st.booleans()
    )
    words = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=4, unique=True)
    return plain | st.builds(
        Field, st.just(name), st.just("str"), nullable=st.booleans(), categories=words, unit=st.sampled_from(["", "m"])
    )


@st.composite
def tables(draw: st.DrawFn, max_rows: int = 6) -> pa.Table:
    """Tables with a declared schema."""
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    schema = Schema(tuple(draw(fields(name)) for name in names))
    rows = draw(st.integers(0, max_rows))
    arrays = [_array(each, draw(st.lists(_row(each), min_size=rows, max_size=rows))) for each in schema]
    return conform(pa.Table.from_arrays(arrays, names=list(schema.names)), schema)


def _row(field: Field) -> st.SearchStrategy[Any]:
    row = st.sampled_from(field.categories) if field.categories else _VALUES[field.dtype]
    for length in reversed(_flat(field)):
        row = st.lists(row, max_size=3) if length == -1 else st.lists(row, min_size=length, max_size=length)
    return st.none() | row if field.nullable else row


def _flat(field: Field) -> tuple[int, ...]:
    return (field.shape[0] * field.shape[1],) if field.shape == (2, 2) else field.shape


def _array(field: Field, rows: list[Any]) -> pa.Array:
    kind = {"timestamp": pa.int64(), "str": pa.string(), "json": pa.string(), "bytes": pa.binary(), "bool": pa.bool_()}.get(field.dtype)
    kind = kind or scalar_type(field.dtype)
    final = pa.timestamp("us", tz="UTC") if field.dtype == "timestamp" else kind
    for length in reversed(_flat(field)):
        kind, final = (pa.list_(kind), pa.list_(final)) if length == -1 else (pa.list_(kind, length), pa.list_(final, length))
    return pa.array(rows, kind).cast(final)

"""The entities of a batch of events: each one's key once, whatever the number of its events, in the order of stores."""

from collections.abc import Callable, Mapping
from struct import Struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Schema
from intonaco.infra.compute.arrays import column_of

__all__ = ["EntityKeys"]

Ints = NDArray[np.int64]
_LENGTH = Struct(">I").pack
_WHOLE = Struct(">q").pack
_WHERE = "the events"
_NOTHING = pa.scalar(b"", pa.large_binary())


@frozen(eq=False)
class EntityKeys:
    """The entities that events are of.

    Parameters
    ----------
    suffixes
        What stands behind a view's prefix in the key of each entity (`keys.entity_key`), ascending and each once: stores that
        keep their keys in order read and write neighbours together.
    owners : shape (events,)
        The entity of each event; -1 where one of its keys is null.
    """

    suffixes: list[bytes]
    owners: Ints

    @classmethod
    def of(cls, events: pa.Table, keys: Schema) -> "EntityKeys":
        """The entities of a table of events.

        Raises
        ------
        SchemaError
            A key column is absent, of another type than the entity's, or holds a number beyond 64 bits.
        """
        parts, codes = _column(events, keys.fields[0].name, keys.fields[0].dtype)
        for key in keys.fields[1:]:
            parts, codes = _joined(parts, codes, *_column(events, key.name, key.dtype))
        order = pc.sort_indices(parts)
        rank = np.empty(len(order) + 1, dtype=np.int64)
        rank[order.to_numpy()] = np.arange(len(order))
        rank[-1] = -1  # where a key is null
        return cls(parts.take(order).to_pylist(), rank[codes])

    def of_rows(self, chosen: NDArray[np.bool_]) -> "EntityKeys":
        """The entities of the events that are left when the others are filtered out."""
        kept = self.of_events(chosen)
        return EntityKeys(kept.suffixes, kept.owners[chosen])

    def of_events(self, held: NDArray[np.bool_]) -> "EntityKeys":
        """The entities of these events alone; the others' owner is -1."""
        owners = np.where(held, self.owners, -1)
        seen = np.zeros(len(self.suffixes) + 1, dtype=np.bool_)
        seen[owners] = True
        if seen[:-1].all():
            return EntityKeys(self.suffixes, owners)
        moved = np.cumsum(seen) - 1
        moved[-1] = -1
        kept = [suffix for suffix, wanted in zip(self.suffixes, seen.tolist(), strict=False) if wanted]
        return EntityKeys(kept, moved[owners])


def _column(events: pa.Table, name: str, dtype: str) -> tuple[pa.Array, Ints]:
    """The parts of keys that the values of a column make, and which of them each event has; -1 where it is null."""
    array = column_of(events, name, _WHERE)
    family, plain, encode = _FAMILIES[_family(dtype)]
    if not any(check(array.type) for check in (*family, pa.types.is_null)):
        raise SchemaError(f"{_WHERE}: the key {name!r} is {array.type}, expected {dtype}", field=name)
    try:
        encoded = _in_microseconds(array).cast(plain).dictionary_encode()
    except pa.ArrowInvalid as error:
        raise SchemaError(f"{_WHERE}: the key {name!r} holds a value that {dtype} cannot hold", field=name) from error
    indices = encoded.indices.fill_null(-1) if encoded.null_count else encoded.indices
    return encode(encoded.dictionary), indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _in_microseconds(array: pa.Array) -> pa.Array:
    if not pa.types.is_timestamp(array.type):
        return array
    return array.cast(pa.timestamp("us", tz=array.type.tz)).view(pa.int64())


def _joined(heads: pa.Array, codes: Ints, tails: pa.Array, more: Ints) -> tuple[pa.Array, Ints]:
    """The combinations of both that there are."""
    size = max(len(tails), 1)
    null = (codes < 0) | (more < 0)
    both = np.where(null, -1, codes * size + more)
    encoded = pa.array(both, mask=null).dictionary_encode()
    pairs = encoded.dictionary.to_numpy(zero_copy_only=False).astype(np.int64)
    parts = _behind(heads.take(pa.array(pairs // size)), tails.take(pa.array(pairs % size)))
    return parts, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _behind(heads: pa.Array, tails: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(heads, tails, _NOTHING)


def _sized(mark: bytes, values: pa.Array) -> pa.Array:
    """The mark, the length and the bytes of each value."""
    lengths = pc.binary_length(values).dictionary_encode()
    heads = pa.array([mark + _LENGTH(length) for length in lengths.dictionary.to_pylist()], pa.large_binary())
    return _behind(heads.take(lengths.indices), values)


def _texts(values: pa.Array) -> pa.Array:
    return _sized(b"s", values)


def _bytes(values: pa.Array) -> pa.Array:
    return _sized(b"b", values)


def _wholes(values: pa.Array) -> pa.Array:
    return pa.array([b"i" + _WHOLE(value) for value in values.to_pylist()], pa.large_binary())


def _truths(values: pa.Array) -> pa.Array:
    return pa.array([b"t\x01" if value else b"t\x00" for value in values.to_pylist()], pa.large_binary())


_is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_is_binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
_FAMILIES: Mapping[str, tuple[tuple[Callable[[pa.DataType], bool], ...], pa.DataType, Callable[[pa.Array], pa.Array]]] = {
    "str": (_is_text, pa.large_binary(), _texts),
    "bytes": (_is_binary, pa.large_binary(), _bytes),
    "bool": ((pa.types.is_boolean,), pa.bool_(), _truths),
    "int": ((pa.types.is_integer,), pa.int64(), _wholes),
    "timestamp": ((pa.types.is_timestamp, pa.types.is_int64), pa.int64(), _wholes),
}


def _family(dtype: str) -> str:
    return "int" if dtype.startswith(("int", "uint")) else dtype

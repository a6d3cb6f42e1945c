"""The entities of a batch of events: each one's key once, whatever the number of its events, in the order of stores."""

from collections.abc import Callable, Mapping, Sequence
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
        suffixes, codes = _column(events, keys.fields[0].name, keys.fields[0].dtype)
        for key in keys.fields[1:]:
            suffixes, codes = _joined(suffixes, codes, *_column(events, key.name, key.dtype))
        return cls._ordered(suffixes, codes)

    @classmethod
    def _ordered(cls, suffixes: list[bytes], codes: Ints) -> "EntityKeys":
        order = pc.sort_indices(pa.array(suffixes, pa.large_binary())).to_numpy()
        rank = np.empty(len(order) + 1, dtype=np.int64)
        rank[order] = np.arange(len(order))
        rank[-1] = -1  # where a key is null
        return cls([suffixes[place] for place in order.tolist()], rank[codes])

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


def _column(events: pa.Table, name: str, dtype: str) -> tuple[list[bytes], Ints]:
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
    return encode(encoded.dictionary.to_pylist()), indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _in_microseconds(array: pa.Array) -> pa.Array:
    if not pa.types.is_timestamp(array.type):
        return array
    return array.cast(pa.timestamp("us", tz=array.type.tz)).view(pa.int64())


def _joined(heads: list[bytes], codes: Ints, tails: list[bytes], more: Ints) -> tuple[list[bytes], Ints]:
    """The combinations of both that there are."""
    size = max(len(tails), 1)
    null = (codes < 0) | (more < 0)
    both = np.where(null, -1, codes * size + more)
    encoded = pa.array(both, mask=null).dictionary_encode()
    pairs = encoded.dictionary.to_numpy(zero_copy_only=False).astype(np.int64)
    suffixes = [heads[head] + tails[tail] for head, tail in zip((pairs // size).tolist(), (pairs % size).tolist(), strict=True)]
    return suffixes, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _sized(mark: bytes, values: Sequence[bytes]) -> list[bytes]:
    heads = {length: mark + _LENGTH(length) for length in set(map(len, values))}
    return [heads[len(value)] + value for value in values]


def _texts(values: Sequence[bytes]) -> list[bytes]:
    return _sized(b"s", values)


def _bytes(values: Sequence[bytes]) -> list[bytes]:
    return _sized(b"b", values)


def _wholes(values: Sequence[int]) -> list[bytes]:
    return [b"i" + _WHOLE(value) for value in values]


def _truths(values: Sequence[bool]) -> list[bytes]:
    return [b"t\x01" if value else b"t\x00" for value in values]


_is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_is_binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
_FAMILIES: Mapping[str, tuple[tuple[Callable[[pa.DataType], bool], ...], pa.DataType, Callable[..., list[bytes]]]] = {
    "str": (_is_text, pa.large_binary(), _texts),
    "bytes": (_is_binary, pa.large_binary(), _bytes),
    "bool": ((pa.types.is_boolean,), pa.bool_(), _truths),
    "int": ((pa.types.is_integer,), pa.int64(), _wholes),
    "timestamp": ((pa.types.is_timestamp, pa.types.is_int64), pa.int64(), _wholes),
}


def _family(dtype: str) -> str:
    return "int" if dtype.startswith(("int", "uint")) else dtype

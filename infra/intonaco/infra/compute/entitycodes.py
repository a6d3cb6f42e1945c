"""Numbers for entities: of the events of a source once, and of any rows by the same numbers."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen
from numpy.typing import NDArray

from intonaco.infra.compute.arrays import plain

__all__ = ["EntityCodes"]

Ints = NDArray[np.int64]
_DENSE = 2**22


@frozen(eq=False)
class EntityCodes:
    """The entities that keys name, each of which has a number below `bound`.

    Parameters
    ----------
    known
        The values of each key.
    dense
        For each key after the first the numbers made of it and of those before, where they were made smaller by their place here.
    """

    bound: int
    known: tuple[pa.Array, ...]
    dense: tuple[pa.Array | None, ...]

    @classmethod
    def of(cls, keys: list[pa.Array]) -> "tuple[EntityCodes, Ints]":
        """The entities of columns of keys, and the number of each row's; -1 where a key is null."""
        codes, values = _encoded(keys[0])
        known, dense, bound = [values], list[pa.Array | None](), max(1, len(values))
        for key in keys[1:]:
            more, values = _encoded(key)
            _combine(codes, more, max(1, len(values)))
            bound *= max(1, len(values))
            known.append(values)
            dense.append(None)
            if bound > _DENSE:
                codes, dense[-1] = _encoded(pa.array(codes, mask=codes < 0))
                bound = int(codes.max(initial=0)) + 1
        return cls(bound, tuple(known), tuple(dense)), codes

    def find(self, keys: list[pa.Array]) -> Ints:
        """The number of each row's entity; -1 where a key is null, or none of these entities has it."""
        codes = _found(keys[0], self.known[0])
        for key, values, dense in zip(keys[1:], self.known[1:], self.dense, strict=True):
            _combine(codes, _found(key, values), max(1, len(values)))
            if dense is not None:
                codes = _found(pa.array(codes), dense)
        return codes


def _combine(codes: Ints, more: Ints, size: int) -> None:
    """Put the number of one key more into the codes."""
    absent = (more < 0) | (codes < 0)
    codes *= size
    codes += more
    codes[absent] = -1


def _encoded(array: pa.Array) -> tuple[Ints, pa.Array]:
    """A number for each value, -1 for null, and the values."""
    encoded = array.dictionary_encode()
    return _numbers(encoded.indices), encoded.dictionary


def _found(array: pa.Array, known: pa.Array) -> Ints:
    """The places of values among those that are known, -1 where they are not."""
    left, right = (array, known) if array.type == known.type else (plain(array), plain(known))
    return _numbers(pc.index_in(left, value_set=right))


def _numbers(indices: pa.Array) -> Ints:
    filled = indices.fill_null(-1) if indices.null_count else indices
    return np.array(filled.to_numpy(zero_copy_only=False), dtype=np.int64)

"""Decimals as the whole numbers that the algebra computes with: multiples of the least unit of their type."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.core.fields import decimal_digits

__all__ = ["as_arrow", "as_objects", "multiples"]

Ints = NDArray[np.int64]


def multiples(array: pa.Array, name: str) -> Ints:
    """Whole multiples of the least unit of an Arrow column of decimals; without meaning where null.

    Raises
    ------
    InvalidError
        A value has no room in 63 bits.
    """
    wide = array if array.type.bit_width == 128 else array.cast(pa.decimal128(min(array.type.precision, 38), array.type.scale))
    halves = np.frombuffer(wide.buffers()[1], dtype="<i8")[2 * wide.offset : 2 * (wide.offset + len(wide))]
    low, high = halves[::2], halves[1::2]
    wrong = high != low >> 63
    if bool(wrong.any()) and bool(np.any(wrong & np.asarray(wide.is_valid().to_numpy(zero_copy_only=False)))):
        raise InvalidError(f"column {name!r} holds a decimal beyond 63 bits", hint="declare fewer digits behind the point", field=name)
    return np.asarray(low)


def as_arrow(values: Ints, held: NDArray[np.bool_] | None, dtype: str) -> pa.Array:
    """Whole multiples as `decimal(p,s)`; the inverse of `multiples`."""
    digits = decimal_digits(dtype)
    assert digits is not None, dtype
    halves = np.stack([values, values >> 63], axis=1)
    missing = None if held is None or held.all() else pa.array(held).buffers()[1]
    return pa.Array.from_buffers(pa.decimal128(*digits), len(values), [missing, pa.py_buffer(halves)])


def as_objects(values: Ints, dtype: str) -> NDArray[Any]:
    """Whole multiples as `decimal.Decimal`, with as many digits behind the point as the type has."""
    digits = decimal_digits(dtype)
    assert digits is not None, dtype
    made = np.empty(len(values), dtype=object)
    made[:] = [Decimal(value).scaleb(-digits[1]) for value in values.tolist()]
    return made

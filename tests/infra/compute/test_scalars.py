"""One value at a time is what arrays are, to the bit."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.infra.compute.algebra import KINDS, NONE, finalize, ordered
from intonaco.infra.compute.scalars import finalize_one, unordered_one, wrapped

WORDS = st.integers(-(2**53), 2**53) | st.sampled_from([0, 1, -1, 2**62, -(2**62), 2**62 - 1])
CODES = st.floats(allow_nan=False).map(lambda value: int(ordered(np.array([value]))[0])) | st.integers(NONE, 2**63 - 1).filter(bool)
STEPS = st.sampled_from([1.0, 2.0**-20, 0.01, 10.0**-7])
PLAIN = [kind for kind, measures in KINDS.items() if not {"latest", "registers", "buckets"} & set(measures)]


def bits(value: float | int | None) -> object:
    return struct.pack("<d", value) if isinstance(value, float) else value


@pytest.mark.parametrize("floats", [True, False])
@pytest.mark.parametrize("kind", PLAIN)
@given(st.data())
def test_one_aggregate_is_an_element_of_many(kind: str, floats: bool, data: st.DataObject) -> None:
    resolution = data.draw(STEPS)
    by_order = kind in ("minimum", "maximum", "first", "last")
    words = [
        data.draw(CODES | st.just(NONE) if by_order else WORDS if place != 1 else st.integers(0, 2**40))
        for place in range(len(KINDS[kind]))
    ]
    if kind == "variance":  # what a variance is of
        values = data.draw(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=5))
        low = [value & (1 << 20) - 1 for value in values]
        high = [value >> 20 for value in values]
        words = [
            sum(values),
            len(values),
            *(sum(a * b for a, b in zip(one, other, strict=True)) for one, other in ((high, high), (high, low), (low, low))),
        ]
    if by_order and floats and words[0] != NONE:
        code = ~words[0] if kind in ("minimum", "first") else words[0]
        if np.isnan(unordered_one(code)):
            return  # no value is NaN
    many, held = finalize(kind, [np.array([word]) for word in words], resolution, floats)
    one = finalize_one(kind, words, resolution, floats)
    assert bits(one) == (bits(many.tolist()[0]) if held[0] else None)


@given(st.floats(allow_nan=False))
def test_a_float_is_restored_from_its_order(value: float) -> None:
    assert bits(unordered_one(int(ordered(np.array([value]))[0]))) == bits(value)


@given(st.integers(-(2**65), 2**65))
def test_a_word_wraps_as_int64_does(word: int) -> None:
    assert wrapped(word) == int(np.array([word % 2**64], dtype=np.uint64).view(np.int64)[0])

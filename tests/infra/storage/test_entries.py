"""How entries are laid out as bytes: what is whole, one by one and many together."""

import zlib
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intonaco.infra.storage.checksum import crc32
from intonaco.infra.storage.entries import check_together, encode

PREFIX = b"room/view"
ENTRIES = st.dictionaries(
    st.binary(max_size=20), st.tuples(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=40)), min_size=1, max_size=6
)


def stored(entries: dict[bytes, tuple[int, bytes]]) -> list[bytes]:
    return [encode(PREFIX + key, *entry) for key, entry in entries.items()]


@settings(max_examples=50, deadline=None)
@given(ENTRIES, st.data())
def test_many_entries_are_whole_together_until_one_bit_of_one_changes(entries: dict[bytes, tuple[int, bytes]], data: st.DataObject) -> None:
    keys, values, whole = list(entries), stored(entries), check_together(PREFIX)
    assert whole(keys, values)
    number = data.draw(st.integers(0, len(keys) - 1))
    bit = data.draw(st.integers(0, 8 * len(values[number]) - 1))
    damaged = bytearray(values[number])
    damaged[bit // 8] ^= 1 << bit % 8
    assert not whole(keys, [*values[:number], bytes(damaged), *values[number + 1 :]])


def test_entries_of_others_keys_or_of_another_room_are_not_whole() -> None:
    entries = {b"a": (1, b"x"), b"b": (1, b"x"), b"c": (2, b"yz")}
    values = stored(entries)
    for order in permutations(range(3)):
        assert check_together(PREFIX)(list(entries), [values[each] for each in order]) == (order == (0, 1, 2))
    assert not check_together(b"room/other")(list(entries), values)


def test_an_absent_entry_is_told_from_a_damaged_one() -> None:
    with pytest.raises(TypeError):
        check_together(PREFIX)([b"a", b"b"], [encode(PREFIX + b"a", 1, b"x"), None])  # type: ignore[list-item]


@given(st.binary(max_size=70), st.integers(0, 2**32 - 1))
def test_the_quick_checksum_is_that_of_zlib(data: bytes, start: int) -> None:
    assert crc32(data, start) == zlib.crc32(data, start)
    assert crc32(data * 100) == zlib.crc32(data * 100)

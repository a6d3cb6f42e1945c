"""The bytes of texts and lists behind the words of online entries."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.entries.results import Results
from intonaco.infra.features.entries.shape import Entries, Shape

__all__ = ["with_bytes"]

Ints = NDArray[np.int64]


def with_bytes(shape: Shape, entries: Entries, texts: Sequence[bytes], made: Results) -> tuple[Ints, Ints, list[bytes]]:
    """Newest and pending events with places among the bytes, which are put into the results too; and the bytes."""
    newest, pending = entries.newest.copy(), entries.pending.copy()
    blobs = [bytearray() for _ in range(len(newest))]
    everybody = range(len(newest))
    _write_texts(made.words, everybody, [column - 2 for column in shape.texts], texts, blobs)
    _write_texts(newest, everybody, shape.texts, texts, blobs)
    others = np.diff(entries.owners, prepend=-1) == 0
    rest = pending[others]
    _write_texts(rest, entries.owners[others].tolist(), shape.texts, texts, blobs)
    pending[others] = rest
    for blob in blobs:
        blob += bytes(-len(blob) % 8)
    for place, values in made.lists.items():
        _write_lists(made.words[:, place], values, blobs)
    return newest, pending, [bytes(blob) for blob in blobs]


def _write_texts(rows: Ints, owners: Sequence[int], columns: Sequence[int], texts: Sequence[bytes], blobs: list[bytearray]) -> None:
    for row, owner in enumerate(owners):
        for column in columns:
            if rows[row, column] != NEVER:
                text = texts[int(rows[row, column])]
                rows[row, column] = len(blobs[owner]) << 32 | len(text)
                blobs[owner] += text


def _write_lists(lengths: Ints, values: Ints, blobs: list[bytearray]) -> None:
    whole, at = values.tobytes(), 0
    for row, length in enumerate(lengths.tolist()):
        size = 0 if length == NEVER else 8 * length
        lengths[row] = len(blobs[row]) << 32 | size
        blobs[row] += whole[at : at + size]
        at += size

"""Taking online entries apart, many at once; `entry` says how they are laid out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intonaco.core.errors import CorruptError
from intonaco.infra.compute.algebra import ordered
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.entries.hopcolumns import HopColumns
from intonaco.infra.features.entries.shape import HEADER, LATEST, NEWEST, PENDING, TAG, WIDTHS, WORDS, Entries, HopRows, Shape, ragged
from intonaco.infra.features.entries.states import read_states

__all__ = ["decode"]

Ints = NDArray[np.int64]
_LENGTH = 0xFFFF_FFFF


def decode(shape: Shape, values: Sequence[bytes | None], texts: list[bytes]) -> Entries:
    """Take entries apart; None is an entity of which nothing is known.

    Words of texts become positions in `texts`, to which they are added.
    """
    kept = [value for value in values if value is not None]
    found = np.arange(len(values))
    if len(kept) < len(values):
        found = found[[value is not None for value in values]]
    header = np.full((len(values), HEADER), NEVER, dtype=np.int64)
    header[:, PENDING] = 0
    words = np.frombuffer(b"".join(kept), dtype="<i8")
    sizes = np.fromiter(map(len, kept), np.int64, len(kept)) >> 3
    starts = np.cumsum(sizes) - sizes
    alike = len(kept) > 0 and bool((sizes == sizes[0]).all())
    head = words.reshape(len(kept), -1)[:, : shape.head] if alike else words[starts[:, None] + np.arange(shape.head)]
    _check(shape, head)
    header[found] = head[:, :HEADER]
    hops, behind = _hops(shape, words, starts, head, found)
    newest, behind = _newest(shape, words, behind, header, found)
    owners, pending, behind = _pending(shape, words, behind, head, found)
    if shape.varying:
        read_states(shape, words, behind, hops, found)
    if shape.texts:
        blobs = {int(number): value[8 * int(size) :] for number, value, size in zip(found, kept, head[:, WORDS], strict=True)}
        _read_texts(shape, newest, range(len(values)), blobs, texts)
        _read_texts(shape, pending, owners.tolist(), blobs, texts)
    return Entries(header, hops, newest, owners, pending)


def _check(shape: Shape, head: Ints) -> None:
    """Raise CorruptError if an entry is of another format or layout."""
    if not (head[:, TAG] == shape.tag).all():
        raise CorruptError(
            "an online entry is of another format or layout than the view's",
            hint="materialize the view anew, under a new version",
        )


def _hops(shape: Shape, words: Ints, starts: Ints, head: Ints, found: Ints) -> tuple[HopRows, Ints]:
    """Hops with their own measures: the differences of running sums, without the bases; and where they end."""
    counts = head[:, shape.counts : shape.first]
    columns = HopColumns.of(head[:, WIDTHS], counts.sum(axis=1), 1 + shape.words, starts + shape.head)
    records = columns.read(words)
    if shape.only_sums:
        records[1:, 1:] -= records[:-1, 1:].copy()
    else:
        records[1:, 1 + shape.adding] -= records[:-1, 1 + shape.adding]
    records[:, 0] += np.repeat(shape.latest_units(head[:, LATEST]).ravel(), counts.ravel())
    groups = np.repeat((found[:, None] * len(shape.lists) + np.arange(len(shape.lists))).ravel(), counts.ravel())
    real = groups == np.append(-1, groups[:-1])
    return HopRows(groups[real], records[real, 0], records[real, 1:], {}), columns.begins[-1]


def _newest(shape: Shape, words: Ints, behind: Ints, header: Ints, found: Ints) -> tuple[Ints, Ints]:
    newest = np.full((len(header), shape.newest), NEVER, dtype=np.int64)
    if not shape.columns:
        return newest, behind
    there = header[found, NEWEST] != NEVER
    newest[found[there], 0] = header[found[there], NEWEST]
    newest[found[there], 1:] = words[behind[there][:, None] + np.arange(shape.newest - 1)]
    return newest, behind + there * (shape.newest - 1)


def _pending(shape: Shape, words: Ints, behind: Ints, head: Ints, found: Ints) -> tuple[Ints, Ints, Ints]:
    """The events at or after the horizon: of each entity the latest, of which the head tells, and the others."""
    waiting = head[:, PENDING]
    others = np.maximum(waiting - 1, 0)
    owners = np.repeat(found, waiting)
    pending = np.empty((len(owners), shape.event), dtype=np.int64)
    place = np.cumsum(waiting) - waiting
    some = waiting > 0
    latest = np.ones(len(owners), dtype=np.bool_)
    if others.any():
        latest[:] = False
        latest[place[some]] = True
        first = np.repeat(behind, others) + ragged(others) * shape.event
        pending[~latest] = words[first[:, None] + np.arange(shape.event)]
    pending[latest] = _latest(shape, head if some.all() else head[some])
    return owners, pending, behind + others * shape.event


def _latest(shape: Shape, head: Ints) -> Ints:
    """The latest events of entities, whole."""
    columns = head[:, HEADER : HEADER + shape.columns]
    rows = np.concatenate([head[:, [LATEST, shape.first]], columns, head[:, shape.first + 1 : shape.head]], axis=1)
    if len(shape.floating):
        rows[:, shape.floating] = ordered(np.ascontiguousarray(rows[:, shape.floating]).view(np.float64))
    return rows


def _read_texts(shape: Shape, rows: Ints, owners: Sequence[int], blobs: dict[int, bytes], texts: list[bytes]) -> None:
    for row, owner in enumerate(owners):
        for column in shape.texts:
            word = int(rows[row, column])
            if word != NEVER:
                texts.append(blobs[owner][word >> 32 : (word >> 32) + (word & _LENGTH)])
                rows[row, column] = len(texts) - 1

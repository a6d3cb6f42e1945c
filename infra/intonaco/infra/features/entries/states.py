"""States of measures that vary in length, behind the fixed words of entries."""

import numpy as np
from numpy.typing import NDArray

from intonaco.infra.features.entries.shape import HopRows, Shape, ragged

__all__ = ["read_states", "written_states"]

Ints = NDArray[np.int64]
_LENGTH = 0xFFFF_FFFF


def _width(shape: Shape, number: int) -> int:
    """Words of a row of a state."""
    return 3 if shape.layout.measures[number].listed else 1


def read_states(shape: Shape, words: Ints, behind: Ints, hops: HopRows, found: Ints) -> None:
    """Fill in the states of hops from where their words point, `behind` being where the states of each found entity begin."""
    begin = np.zeros(int(found[-1]) + 1 if len(found) else 0, dtype=np.int64)
    begin[found] = behind
    for number in shape.varying:
        place, width = shape.places[number], _width(shape, number)
        pointers = hops.measures[:, place].copy()
        hops.measures[:, place] = 0
        lengths = pointers & _LENGTH
        first = begin[hops.groups // len(shape.lists)] + (pointers >> 32)
        taken = words[np.repeat(first, lengths) + ragged(lengths)]
        rows = np.repeat(np.arange(len(lengths)), lengths // width)
        hops.states[number] = (rows, taken if width == 1 else taken.reshape(-1, width))


def written_states(shape: Shape, hops: HopRows, entities: int) -> tuple[Ints, Ints, Ints]:
    """The measures of hops with pointers in place, all states entity after entity, and how many words each entity has."""
    sizes = np.zeros(entities, dtype=np.int64)
    if not shape.varying:
        return hops.measures, np.zeros(0, dtype=np.int64), sizes
    measures = hops.measures.copy()
    owners = hops.groups // len(shape.lists)
    parts: list[Ints] = []
    homes: list[Ints] = []
    for number in shape.varying:
        rows, state = hops.states[number]
        lengths = np.bincount(rows, minlength=len(owners)) * _width(shape, number)
        ends = np.cumsum(lengths)
        of_entity = np.bincount(owners, weights=lengths, minlength=entities).astype(np.int64)
        before = np.cumsum(of_entity) - of_entity
        measures[:, shape.places[number]] = (ends - lengths - before[owners] + sizes[owners]) << 32 | lengths
        sizes = sizes + of_entity
        parts.append(state.ravel())
        homes.append(np.repeat(np.arange(entities), of_entity))
    order = np.argsort(np.concatenate(homes), kind="stable")
    return measures, np.concatenate(parts)[order], sizes

"""The hops of online entries, kept by columns: where a hop begins, and each word of its measures.

A column takes 8, 4, 2 or 1 bytes a value, in each entry as few as all its values fit in: counts and short sums mostly need not many.
How many times its width is halved stands in two bits of a word of the head. Where a hop begins is told from the latest event's on.
"""

from typing import Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from intonaco.infra.features.entries.shape import WIDTHS, ragged

__all__ = ["LETTERS", "NARROWABLE", "HopColumns", "columns_of_one", "halvings_of"]

Ints = NDArray[np.int64]
#: Columns that have two bits in a word; others are of words.
NARROWABLE = 31
_TYPES = ("<i8", "<i4", "<i2", "i1")
#: What `memoryview.cast` calls numbers by how many times their width is halved.
LETTERS: tuple[Literal["q", "i", "h", "b"], ...] = ("q", "i", "h", "b")


def halvings_of(records: Ints, starts: Ints) -> Ints:
    """For each entity, whose records begin at `starts`, the word that tells how narrow its columns are."""
    if not len(records):
        return np.zeros(len(starts), dtype=np.int64)
    values = records[:, :NARROWABLE]
    greatest = np.maximum.reduceat(values ^ (values >> 63), starts, axis=0)
    halvings = sum((greatest < limit).astype(np.int64) for limit in (2**31, 2**15, 2**7))
    words: Ints = np.bitwise_or.reduce(halvings << 2 * np.arange(values.shape[1]), axis=1)
    return words


@frozen(eq=False)
class HopColumns:
    """Where the columns of entities' hops lie among words.

    Parameters
    ----------
    begins : shape (columns + 1, entities)
        The words at which columns begin, and the one behind the last.
    halvings : shape (columns, entities)
    totals : shape (entities,)
        How many hops there are.
    """

    begins: Ints
    halvings: Ints
    totals: Ints

    @classmethod
    def of(cls, word: Ints, totals: Ints, columns: int, begin: Ints) -> "HopColumns":
        """Columns one behind the other, each of whole words."""
        halvings = np.zeros((columns, len(totals)), dtype=np.int64)
        halvings[:NARROWABLE] = (word >> 2 * np.arange(min(columns, NARROWABLE))[:, None]) & 3
        sizes = (totals + (1 << halvings) - 1) >> halvings
        return cls(np.concatenate([begin[None], begin + np.cumsum(sizes, axis=0)]), halvings, totals)

    def read(self, words: Ints) -> Ints:
        """All hops of all entities; shape (hops, columns)."""
        entities, offsets = np.repeat(np.arange(len(self.totals)), self.totals), ragged(self.totals)
        records = np.empty((len(entities), len(self.halvings)), dtype=np.int64)
        for column in range(len(self.halvings)):
            records[:, column] = self.values(words, column, entities, offsets)
        return records

    def values(self, words: Ints, column: int, entities: NDArray[np.intp], offsets: Ints) -> Ints:
        """The values of one column of some hops of some entities."""
        halvings, begins = self.halvings[column][entities], self.begins[column][entities]
        place, values = (begins << halvings) + offsets, np.empty(len(entities), dtype=np.int64)
        for halving in _known(halvings):
            chosen = halvings == halving
            values[chosen] = words.view(_TYPES[halving])[place[chosen]]
        return values

    def write(self, words: Ints, records: Ints) -> None:
        """Put all hops of all entities into words, which are zero."""
        offsets = ragged(self.totals)
        for column, values in enumerate(records.T):
            halvings = np.repeat(self.halvings[column], self.totals)
            place = (np.repeat(self.begins[column], self.totals) << halvings) + offsets
            for halving in _known(halvings):
                chosen = halvings == halving
                words.view(_TYPES[halving])[place[chosen]] = values[chosen]


def _known(halvings: Ints) -> list[int]:
    """Those that there are."""
    known: list[int] = np.flatnonzero(np.bincount(halvings)).tolist()
    return known


def columns_of_one(words: memoryview, begin: int, columns: int, total: int) -> tuple[list[tuple[memoryview, int]], int]:
    """Of each column of an entry's hops the numbers among which it is and where there; and the word behind them all."""
    halvings, plain, found = words[WIDTHS], words.cast("B"), []
    for _ in range(columns):
        halving = halvings & 3
        found.append((plain.cast(LETTERS[halving]) if halving else words, begin << halving))
        begin += (total + (1 << halving) - 1) >> halving
        halvings >>= 2
    return found, begin

"""Folding events of one view into its entries: which entity each event is of, its words, and the entries after it."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from attrs import frozen
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.algebra import NONE, ordered
from intonaco.infra.compute.arrays import column_of, numbers, times
from intonaco.infra.compute.preparation import Preparation
from intonaco.infra.features.defined.layout import Layout
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.entries.entitykeys import EntityKeys
from intonaco.infra.features.entries.entry import decode, encode
from intonaco.infra.features.entries.folding import fold
from intonaco.infra.features.entries.keys import view_prefix
from intonaco.infra.features.entries.shape import Entries, Shape

__all__ = ["Prepared", "ViewWriter"]

Ints = NDArray[np.int64]
_WHERE = "the events"
_TEXTS = ("str", "bytes", "json")


@frozen(eq=False)
class Prepared:
    """Events of one view: the keys of their entities, which of them each belongs to, their words, and the texts of these.

    Parameters
    ----------
    owners : shape (events,)
        Ascending; events without an entity or a time are left out.
    firsts : shape (entities,)
        A row of the table of each entity.
    """

    keys: list[bytes]
    owners: Ints
    words: Ints
    texts: list[bytes]
    firsts: Ints


@frozen(eq=False)
class ViewWriter:
    """Folds events of one view into entries.

    Parameters
    ----------
    prefix
        What the keys of the view's entries start with.
    """

    view: FeatureView
    prefix: bytes
    shape: Shape

    @classmethod
    def of(cls, view: FeatureView, project: str, version: int) -> "ViewWriter":
        """The writer of a version of a view."""
        return cls(view, view_prefix(project, view.name, version), Shape(Layout.of(view)))

    def words(self, events: pa.Table, texts: list[bytes]) -> Ints:
        """The events as words of pending events; shape (events, event). Texts become positions in `texts`."""
        moments, _ = times(events, self.view.source.time, _WHERE)
        created = times(events, self.view.source.created, _WHERE) if self.view.source.created else None
        columns = [moments, np.zeros_like(moments) if created is None else np.where(created[1], created[0], NONE)]
        columns += [_kept_words(events, kept.column, kept.dtype, texts) for kept in self.shape.layout.columns]
        preparation = Preparation(events, _WHERE)
        columns += [preparation.words(measure) for measure in self.shape.layout.measures]
        return np.stack(columns, axis=1)

    def prepared(self, events: pa.Table, keys: EntityKeys | None = None) -> Prepared:
        """The events that belong to an entity and have a time, ready to be folded.

        Parameters
        ----------
        keys
            The entities of the events, where somebody knows them already.
        """
        _, timed = times(events, self.view.source.time, _WHERE)
        entities = (keys or EntityKeys.of(events, self.view.entity.keys)).of_events(timed)
        order = np.argsort(entities.owners, kind="stable")
        rows = order[int(np.count_nonzero(entities.owners < 0)) :]
        texts: list[bytes] = []
        owners, words = entities.owners[rows], self.words(events, texts)[rows]
        firsts = rows[np.searchsorted(owners, np.arange(len(entities.suffixes)))]
        return Prepared([self.prefix + suffix for suffix in entities.suffixes], owners, words, texts, firsts)

    def entries(self, values: Sequence[bytes | None], events: Prepared, sequence: int, place: int) -> list[bytes]:
        """The entries after these events; those that took effect under this sequence before are left out."""
        texts = list(events.texts)
        taken = decode(self.shape, values, texts)
        owners, words = events.owners, events.words
        if sequence > 0:
            fresh = taken.header[owners, place] < sequence
            owners, words = owners[fresh], words[fresh]
        if self.shape.texts:
            words = _ranked(self.shape, taken, words, texts)
        folded = fold(self.shape, taken, owners, words)
        if sequence > 0:
            folded.header[:, place] = np.maximum(folded.header[:, place], sequence)
        return encode(self.shape, folded, texts)


def _kept_words(events: pa.Table, column: str, dtype: str, texts: list[bytes]) -> Ints:
    if dtype in _TEXTS:
        return _text_words(column_of(events, column, _WHERE), texts)
    values, held = numbers(events, column, _WHERE)
    if values.dtype.kind == "f":
        held = held & ~np.isnan(values)
    codes = ordered(values)
    if bool(np.any(held & (codes == NONE))) or (values.dtype == np.uint64 and bool(np.any(held & (codes < 0)))):
        raise InvalidError(f"column {column!r} holds an integer that 63 bits and a sign cannot hold", field=column)
    return np.where(held, codes, NONE)


def _text_words(array: pa.Array, texts: list[bytes]) -> Ints:
    words = np.full(len(array), NONE, dtype=np.int64)
    for row, value in enumerate(array.to_pylist()):
        if value is not None:
            words[row] = len(texts)
            texts.append(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
    return words


def _ranked(shape: Shape, taken: Entries, words: Ints, texts: list[bytes]) -> Ints:
    """Puts `texts` in order, without repeats, and every word that is a position in it anew; the events' words."""
    known = sorted(set(texts))
    rank = {text: number for number, text in enumerate(known)}
    moved = np.array([rank[text] for text in texts], dtype=np.int64)
    words = words.copy()
    for rows in (taken.newest, taken.pending, words):
        for column in shape.texts:
            held = rows[:, column] != NONE
            rows[held, column] = moved[rows[held, column]]
    texts[:] = known
    return words

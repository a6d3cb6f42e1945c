"""Hops offline: the intermediate values of a view's windows in a table of their own, from the first day.

Rows are (keys, size of the hop, number of the hop, measures), several for one hop where its events came in several commits;
merging adds or takes the greatest, so their order does not matter. Hops of a size that is a multiple of a smaller one are not
stored, for they are merged from it. States of measures that vary in length are lists of words.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from intonaco.infra.compute.algebra import Measure
from intonaco.infra.features.defined.layout import Layout
from intonaco.infra.features.entries.entitykeys import EntityKeys
from intonaco.infra.features.entries.folding import event_rows, merge_hops
from intonaco.infra.features.entries.shape import HopRows, Shape
from intonaco.infra.features.writing.viewwriter import ViewWriter

__all__ = ["hop_rows", "hops_table", "stored_hops"]

Ints = NDArray[np.int64]


def hops_table(project: str, view: str, version: int) -> str:
    """The name of the table of a view's hops."""
    return f"{project}/features.{view}.v{version}.hops"


def stored_hops(layout: Layout) -> list[int]:
    """The hops that are stored offline: those that no other divides."""
    sizes = [each.hop_us for each in layout.hops]
    return [size for size in sizes if not any(size % other == 0 for other in sizes if other < size)]


def hop_rows(writer: ViewWriter, events: pa.Table, keys: EntityKeys | None = None) -> pa.Table:
    """The hops of events: keys, `hop_us`, `hop`, and one column for each word of a measure, or list of words of its states."""
    prepared, shape = writer.prepared(events, keys), writer.shape
    sizes = stored_hops(shape.layout)
    parts = [merge_hops(shape, event_rows(shape, prepared.owners, prepared.words, [size])) for size in sizes]
    rows = pa.array(prepared.firsts[np.concatenate([part.groups for part in parts])])
    columns = {name: events[name].take(rows) for name in writer.view.entity.keys.names}
    columns["hop_us"] = pa.array(np.repeat(np.array(sizes, dtype=np.int64), [len(part.groups) for part in parts]))
    columns["hop"] = pa.array(np.concatenate([part.indices for part in parts]))
    return pa.table(columns | _measures(shape, parts))


def _measures(shape: Shape, parts: list[HopRows]) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    for number, (place, measure) in enumerate(zip(shape.places, shape.layout.measures, strict=True)):
        if measure.varies:
            columns[_name(measure)] = pa.chunked_array([_lists(number, part) for part in parts], pa.large_list(pa.int64()))
            continue
        for word, name in enumerate(_word_names(measure), place):
            columns[name] = pa.array(np.concatenate([part.measures[:, word] for part in parts]))
    return columns


def _lists(number: int, part: HopRows) -> pa.Array:
    """The states of one measure: of each hop its words, rows of several words one behind the other."""
    rows, words = part.states[number]
    width = 1 if words.ndim == 1 else words.shape[1]
    ends = np.cumsum(np.bincount(rows, minlength=len(part.groups)) * width)
    return pa.LargeListArray.from_arrays(np.concatenate([[0], ends]), words.ravel())


def _name(measure: Measure) -> str:
    scaled = "" if measure.resolution == 1.0 else f":{measure.resolution!r}"
    return f"{measure.kind}:{measure.column}{scaled}" + (f":{measure.parameter}" if measure.parameter else "")


def _word_names(measure: Measure) -> list[str]:
    name = _name(measure)
    return [f"{name}:time", f"{name}:created", name] if measure.by_time else [name]

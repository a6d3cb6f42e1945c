"""Functions written for one view: windows of one entry that lost hops since the newest event."""

import math
from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from intonaco.infra.features.layout import Aggregate
from intonaco.infra.features.plansource import PlanSource
from intonaco.infra.features.shape import LATER_NULLS, PENDING, holds_floats
from intonaco.infra.features.viewreader import ViewReader
from intonaco.infra.storage.entries import VALUE

__all__ = ["ADDED", "Moved", "compile_moved"]

#: (what is stored, cut, newest event time, the view's windows as the entry tells) -> the same as of the cut, and whether one may be
#: null; raises KeyError if it cannot.
Moved = Callable[..., Sequence[float | int]]
#: Aggregates that a difference of running sums gives.
ADDED = ("count", "sum", "mean")


def compile_moved(view: ViewReader) -> Moved:
    """The function that merges windows anew where they moved on: of counts, sums and means, and where no more than one event waits."""
    shape, source = view.shape, PlanSource({"VALUE": VALUE})
    names = [f"v{number}" for number, window in enumerate(view.windows) if window >= 0]
    windows = sorted({window for window in view.windows if window >= 0})
    source.add(f"def moved(stored, before, latest, {', '.join(names)}):")
    given = {shape.later + place - shape.columns: f"l{slot}" for slot, place in enumerate(view.wanted) if view.windows[slot] >= 0}
    given |= {LATER_NULLS: "nulls"} | {shape.untils + window: f"u{window}" for window in windows}
    given |= {shape.untils + len(shape.windows) + window: f"w{window}" for window in windows}
    source.add(_unpacked(source, view, given, VALUE.start))
    for window in windows:
        source.add(f"    if before < u{window}:", "        pass", f"    elif before < w{window}:")
        for slot in _slots(view, window):
            source.add(f"        v{slot} = l{slot}")
        more, left = source.constant(_compile_more(view, window)), "".join(f"v{slot}, " for slot in _slots(view, window))
        source.add("    else:", "        nulls = 1", f"        {left}= {more}(stored[VALUE], before, latest)")
    source.add(f"    return ({', '.join(names)}, nulls)")
    return source.function("moved")


def _slots(view: ViewReader, window: int) -> list[int]:
    return [slot for slot, each in enumerate(view.windows) if each == window]


def _unpacked(source: PlanSource, view: ViewReader, given: Mapping[int, str], before: int) -> str:
    """A line that names words of an entry's head, which so many bytes stand before."""
    floats = {
        view.shape.later + place - view.shape.columns for place, kind in zip(view.wanted, view.kinds, strict=True) if holds_floats(kind)
    }
    letters = ["8x" if word not in given else "d" if word in floats else "q" for word in range(max(given) + 1)]
    unpack = source.constant(Struct(f"<{before}x" + "".join(letters)).unpack_from)
    return f"    {''.join(given[word] + ', ' for word in sorted(given))}= {unpack}(stored)"


def _compile_more(view: ViewReader, window: int) -> Callable[..., Sequence[float | int]]:
    """The function that merges what is left of a window."""
    shape, source = view.shape, PlanSource()
    source.add("def more(stored, before, latest):")
    counts = [f"n{number}" for number in range(shape.lists)]
    prepared = [f"p{number}" for number in range(len(shape.layout.measures))]
    given = {PENDING: "pending"} | dict(enumerate([*counts, "created", *prepared], start=shape.counts))
    source.add(_unpacked(source, view, given, 0))
    source.add("    if pending != 1:", "        raise KeyError", "    words = memoryview(stored).cast('q')")
    ends = [str(shape.head), *(f"e{number}" for number in range(shape.lists))]
    for number, count in enumerate(counts):
        source.add(f"    e{number} = {ends[number]} + {count}")
    source.add(f"    total = {ends[-1]} - {shape.head}")
    _window(source, view, window, ends)
    source.add(f"    return ({''.join(f'v{slot}, ' for slot in _slots(view, window))})")
    return source.function("more")


def _window(source: PlanSource, view: ViewReader, window: int, ends: Sequence[str]) -> None:
    """Lines that merge the hops and the event that a window holds."""
    features = {f"v{n}": kind for n, kind in enumerate(view.kinds) if isinstance(kind, Aggregate) and view.windows[n] == window}
    if any(kind.kind not in ADDED for kind in features.values()):
        source.add("    raise KeyError")
        return
    shape, (over, hop) = view.shape, view.shape.windows[window]
    start, end = ends[shape.hops_us.index(hop) :][:2]
    source.add(f"    first = (before - {over}) // {hop}", f"    found = bisect(words, first, {start}, {end}) - 1")
    measures = list(dict.fromkeys(measure for kind in features.values() for measure in kind.measures))
    places = [shape.layout.measures.index(measure) for measure in measures]
    for number, place in enumerate(places):
        shift = f"{1 + shape.places[place]} * total"
        source.add(f"    m{number} = words[{end} - 1 + {shift}] - words[found + {shift}]")
    source.add(f"    if latest >= first * {hop}:")
    source.add(*(f"        m{number} += p{place}" for number, place in enumerate(places)))
    for number, measure in enumerate(measures):
        if measure.kind == "sum":
            source.add(f"    if not {-(2**62)} < m{number} < {2**62}:", "        raise KeyError")
    for name, kind in features.items():
        words = [f"m{measures.index(measure)}" for measure in kind.measures]
        source.add(f"    {name} = {_finalized(source, kind, words)}")


def _finalized(source: PlanSource, kind: Aggregate, words: Sequence[str]) -> str:
    """What `scalars.finalize_one` makes of the words, NaN for null."""
    resolution = source.constant(kind.resolution)
    if kind.kind == "count":
        return f"float({words[0]})"
    if kind.kind == "sum":
        return f"float({words[0]}) * {resolution}" if kind.floats else words[0]
    return f"float({words[0]}) / float({words[1]}) * {resolution} if {words[1]} > 0 else {source.constant(math.nan)}"

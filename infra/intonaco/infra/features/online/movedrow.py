"""Source for windows of one entry that lost hops since the newest event."""

import math
from collections.abc import Callable, Sequence
from struct import Struct

from intonaco.infra.features.defined.layout import Aggregate
from intonaco.infra.features.entries.hopcolumns import LETTERS, NARROWABLE
from intonaco.infra.features.entries.shape import HEADER, LATER_NULLS, LATEST, NULLS, PENDING, UNTIL, WIDTHS
from intonaco.infra.features.online.plansource import PlanSource
from intonaco.infra.features.online.viewreader import ViewReader

__all__ = ["ADDED", "add_moves", "later_words", "moved_words"]

#: (an entry, cut, newest event time) -> the aggregates of a window; raises KeyError if it cannot.
More = Callable[..., Sequence[float | int]]
#: Aggregates that a difference of running sums gives.
ADDED = ("count", "sum", "mean")


def moved_words(view: ViewReader) -> list[int]:
    """Words of an entry's head that tell of windows that moved on."""
    shape, windows = view.shape, sorted({window for window in view.windows if window >= 0})
    untils = [shape.untils + window + later for window in windows for later in (0, len(shape.windows))]
    return [UNTIL, LATER_NULLS, *untils, *later_words(view).values()] if windows else []


def later_words(view: ViewReader) -> dict[int, int]:
    """For each of the wanted results that is an aggregate the word that tells what it is later."""
    first = view.shape.later - view.shape.columns
    return {slot: first + place for slot, place in enumerate(view.wanted) if view.windows[slot] >= 0}


def add_moves(source: PlanSource, view: ViewReader, number: int) -> None:
    """Lines that put what windows are in place of what they were, where they moved on; of words `w{number}_{word}`."""
    shape, later = view.shape, later_words(view)
    before = f"at_us - {shape.layout.delay_us}" if shape.layout.delay_us else "at_us"
    source.add(
        f"        if {before} >= w{number}_{UNTIL}:", f"            w{number}_{NULLS} = w{number}_{NULLS} or w{number}_{LATER_NULLS}"
    )
    for window in sorted(set(view.windows) - {-1}):
        slots = {slot: f"w{number}_{HEADER + view.wanted[slot]}" for slot in later if view.windows[slot] == window}
        until = shape.untils + window
        source.add(f"            if {before} >= w{number}_{until}:")
        source.add(f"                if {before} < w{number}_{until + len(shape.windows)}:")
        source.add(*(f"                    {name} = w{number}_{later[slot]}" for slot, name in slots.items()))
        source.add("                else:", f"                    w{number}_{NULLS} = 1")
        more = source.constant(_compile_more(view, window))
        source.add(
            f"                    {''.join(f'{name}, ' for name in slots.values())}= {more}(f{number}[VALUE], {before}, w{number}_{LATEST})"
        )


def _compile_more(view: ViewReader, window: int) -> More:
    """The function that merges what is left of a window."""
    shape, source = view.shape, PlanSource()
    source.add("def more(entry, before, latest):")
    counts = [f"n{number}" for number in range(len(shape.lists))]
    prepared = [f"p{number}" for number in range(len(shape.layout.measures))]
    given = {PENDING: "pending", WIDTHS: "halvings"} | dict(enumerate([*counts, "created", *prepared], start=shape.counts))
    unpack = source.constant(Struct("<" + "".join("q" if word in given else "8x" for word in range(shape.head))).unpack_from)
    source.add(f"    {''.join(given[word] + ', ' for word in sorted(given))}= {unpack}(entry)")
    source.add("    if pending != 1:", "        raise KeyError", "    words = memoryview(entry)")
    ends = ["0", *(f"e{number}" for number in range(len(counts)))]
    for number, count in enumerate(counts):
        source.add(f"    e{number} = {ends[number]} + {count}")
    source.add(f"    at = {shape.head}")
    _window(source, view, window, ends)
    source.add(f"    return ({''.join(f'v{slot}, ' for slot, each in enumerate(view.windows) if each == window)})")
    return source.function("more")


def _window(source: PlanSource, view: ViewReader, window: int, ends: Sequence[str]) -> None:
    """Lines that merge the hops and the event that a window holds."""
    features = {f"v{n}": kind for n, kind in enumerate(view.kinds) if isinstance(kind, Aggregate) and view.windows[n] == window}
    if any(kind.kind not in ADDED for kind in features.values()):
        source.add("    raise KeyError")
        return
    shape, (over, hop) = view.shape, view.shape.windows[window]
    measures = list(dict.fromkeys(measure for kind in features.values() for measure in kind.measures))
    places = [shape.layout.measures.index(measure) for measure in measures]
    _columns(source, max(shape.places[place] for place in places), ends[-1])
    unit, (start, end) = shape.units_us[shape.window_lists[window]], ends[shape.window_lists[window] :][:2]
    source.add(
        f"    first = (before - {over}) // {hop}",
        f"    wanted = first * {shape.window_hops[window]} - latest // {unit}",
        f"    found = bisect(c0, wanted, b0 + {start} + 1, b0 + {end}) - b0 - 1",
    )
    for number, place in enumerate(places):
        column = 1 + shape.places[place]
        source.add(f"    m{number} = c{column}[b{column} + {end} - 1] - c{column}[b{column} + found]")
    source.add(f"    if latest >= first * {hop}:")
    source.add(*(f"        m{number} += p{place}" for number, place in enumerate(places)))
    for number, measure in enumerate(measures):
        if measure.kind == "sum":
            source.add(f"    if not {-(2**62)} < m{number} < {2**62}:", "        raise KeyError")
    for name, kind in features.items():
        words = [f"m{measures.index(measure)}" for measure in kind.measures]
        source.add(f"    {name} = {_finalized(source, kind, words)}")


def _columns(source: PlanSource, last: int, total: str) -> None:
    """Lines that tell where columns of hops are, as `hopcolumns.columns_of_one` does: up to that of a word of measures."""
    letters = source.constant(LETTERS)
    for column in range(last + 2):
        source.add(
            f"    halving = {f'halvings >> {2 * column} & 3' if column < NARROWABLE else '0'}",
            f"    c{column}, b{column} = words.cast({letters}[halving]), at << halving",
            f"    at += ({total} + (1 << halving) - 1) >> halving",
        )


def _finalized(source: PlanSource, kind: Aggregate, words: Sequence[str]) -> str:
    """What `scalars.finalize_one` makes of the words, NaN for null."""
    resolution = source.constant(kind.resolution)
    if kind.kind == "count":
        return f"float({words[0]})"
    if kind.kind == "sum":
        return f"float({words[0]}) * {resolution}" if kind.floats else words[0]
    return f"float({words[0]}) / float({words[1]}) * {resolution} if {words[1]} > 0 else {source.constant(math.nan)}"

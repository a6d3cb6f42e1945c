"""Functions written for one plan: the keys of many rows, and the features of one row of which all is present.

What differs from plan to plan (names, places, delays, limits) stands in their source as constants, so that a read does what a
program written by hand for it would do and no more. A plan may come with a package that nobody trusts: its source is made of numbers
and of names of our own, and all that is text in it stands in constants. Whatever is
not the usual case (nulls, windows that moved on, unknown entities, odd keys, a store that does not answer) is left to others.
"""

from collections.abc import Callable, Sequence
from struct import Struct, error

from intonaco.core.errors import UnavailableError
from intonaco.infra.features.entries.keys import entity_key, pack_length
from intonaco.infra.features.entries.shape import HEADER, LATEST, NULLS, TAG, TEXTS, WORDS, holds_floats
from intonaco.infra.features.online.fetching import Source
from intonaco.infra.features.online.movedrow import add_moves, later_words, moved_words
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.plansource import PlanSource
from intonaco.infra.features.online.row import Row
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.online.valuesource import ValueSource, values_of
from intonaco.infra.features.online.viewreader import ViewReader
from intonaco.infra.storage.entries import VALUE

__all__ = ["ODD", "Keys", "RowFunction", "compile_keys", "compile_row"]

#: (keys and request columns, moment, deadline, entries if they are read already, why they are not) -> row
RowFunction = Callable[..., Row]
Keys = Callable[..., list[bytes]]
#: Lengths of texts in keys for which what stands before them is made once.
_USUAL = 256
#: What odd keys and entries raise.
ODD = (AttributeError, LookupError, TypeError, ValueError, ZeroDivisionError, error)


def _key(source: PlanSource, view: ViewReader, given: Sequence[str]) -> str:
    """The expression of a view's key, of the names of its parts; it raises one of `ODD` for what is null or of another type."""
    parts, before = [], view.prefix
    for (_, dtype), name in zip(view.plan.keys, given, strict=True):
        parts.append(_part(source, before, dtype, name))
        before = b""
    return " + ".join(parts)


def _part(source: PlanSource, before: bytes, dtype: str, name: str) -> str:
    """What `keys.entity_key` makes of one value; what stands before a text is looked up by its length, if it is of the usual ones."""
    if dtype == "str":
        heads = source.constant([before + b"s" + pack_length(size) for size in range(_USUAL)])
        return f"{heads}[len(e{name} := {name}.encode())] + e{name}"
    if dtype == "bytes":
        heads = source.constant([before + b"b" + pack_length(size) for size in range(_USUAL)])
        return f"{heads}[len({name})] + ({name} if {name}.__class__ is bytes else None)"
    if dtype == "bool":
        bools = {given: entity_key(before, (given,), (dtype,)) for given in (False, True)}
        return f"{source.constant(bools)}[{name} if {name}.__class__ is bool else None]"
    return f"{source.constant(before + b'i')} + Q({name} if {name}.__class__ is int else None)"


def compile_keys(view: ViewReader) -> Keys:
    """A function of a list for each key column, that gives the keys of rows; it raises one of `ODD` if one is odd."""
    source = PlanSource()
    names = [f"k{number}" for number in range(len(view.plan.keys))]
    lists = [f"l{number}" for number in range(len(names))]
    rows = lists[0] if len(lists) == 1 else f"zip({', '.join(lists)})"
    source.add(f"def keys({', '.join(lists)}):", f"    return [{_key(source, view, names)} for {', '.join(names)} in {rows}]")
    return source.function("keys")


def compile_row(plan: ReadPlan, views: Sequence[ViewReader], store: Source, careful: RowFunction) -> RowFunction:
    """The function that reads one row: by itself where all is present, else by `careful`."""
    if not all(view.outputs for view in plan.views) or not plan.views:
        return careful
    source = PlanSource()
    source.constants |= {
        "S": store,
        "careful": careful,
        "ODD": ODD,
        "Unavailable": UnavailableError,
        "new": tuple.__new__,
        "Row": Row,
        "VALUE": VALUE,
    }
    source.add("def row(keys, at_us, deadline_s=None):", "    try:")
    _ask(source, plan, views)
    source.add("    except ODD:", "        return careful(keys, at_us, deadline_s)", "    try:")
    source.add("        found = (S.stored if deadline_s is None else S.within(deadline_s))(asked)")
    source.add("    except Unavailable as error:", "        return careful(keys, at_us, deadline_s, None, error)", "    try:")
    _answer(source, plan, views)
    source.add(
        "    except ODD:",
        "        return careful(keys, at_us, deadline_s, found)",
        "    return careful.completed(keys, at_us, *map(list, made))",
    )
    return source.function("row")


def _ask(source: PlanSource, plan: ReadPlan, views: Sequence[ViewReader]) -> None:
    """Lines that make the keys."""
    source.add(f"        if len(keys) != {len(plan.inputs)}:", "            raise KeyError")
    taken: dict[str, str] = {}
    for view in views:
        for name, _ in view.plan.keys:
            if name not in taken:
                taken[name] = f"k{len(taken)}"
                source.add(f"        {taken[name]} = keys[{source.constant(name)}]")
    source.add(f"        asked = [{', '.join(_key(source, view, [taken[name] for name, _ in view.plan.keys]) for view in views)}]")


def _answer(source: PlanSource, plan: ReadPlan, views: Sequence[ViewReader]) -> None:
    """Lines that take the entries apart, and give the row if all is present."""
    source.add(f"        {''.join(f'f{number}, ' for number in range(len(views)))}= found")
    conditions, ages = [], []
    made: list[ValueSource] = []
    for number, view in enumerate(views):
        conditions += _unpack(source, number, view)
        made += values_of(source, view, number)
        ages += [f"a{number}"] * len(view.plan.outputs)
    source.add(f"        if not ({' and '.join(conditions)}):", "            return careful(keys, at_us, deadline_s, found)")
    for number, view in enumerate(views):
        if len(view.windows) > view.windows.count(-1):
            add_moves(source, view, number)
    source.add(f"        if {' or '.join(f'w{number}_{NULLS}' for number in range(len(views)))}:")
    present, codes = source.constant((int(Status.present),) * len(made)), f"({', '.join(each.code for each in made)},)"
    whole = tuple(output.name for view in views for output in view.plan.outputs) == plan.features.names
    row = "return new(Row, {}, ()))" if whole else "made = {})"
    for values, statuses in (([each.either for each in made], codes), ([each.value for each in made], present)):
        source.add("            " + row.format(f"(({', '.join(values)},), {statuses}, ({', '.join(ages)},)"), "        else:")
    source.lines.pop()


def _unpack(source: PlanSource, number: int, view: ViewReader) -> list[str]:
    """Conditions under which a view's results are the values, once the line is added that takes its entry apart."""
    words = {TAG, LATEST, NULLS, *(HEADER + place for place in view.wanted), *moved_words(view)}
    if any(output.dtype in TEXTS or output.kind == "last_k" for output in view.plan.outputs):
        words.add(WORDS)
    floating = [slot for slot, kind in enumerate(view.kinds) if holds_floats(kind)]
    floats = {HEADER + view.wanted[slot] for slot in floating} | {later[slot] for slot in floating if slot in (later := later_words(view))}
    letters = ["8x" if word not in words else "d" if word in floats else "q" for word in range(max(words) + 1)]
    unpack = source.constant(Struct(f"<{VALUE.start}x" + "".join(letters)).unpack_from)
    source.add(f"        {''.join(f'w{number}_{word}, ' for word in sorted(words))}= {unpack}(f{number})")
    source.add(f"        a{number} = at_us - w{number}_{LATEST}")
    delay = view.shape.layout.delay_us
    conditions = [f"w{number}_{TAG} == {view.shape.tag}", f"a{number} > {delay}"]
    limits = [limit for output in view.plan.outputs if (limit := view.plan.limit_us(output)) is not None]
    return conditions + ([f"a{number} <= {min(limits)}"] if limits else [])

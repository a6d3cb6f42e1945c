"""Functions written for one plan: the keys of many rows, and the features of one row of which all is present.

What differs from plan to plan (names, places, delays, limits) stands in their source as constants, so that a read does what a
program written by hand for it would do and no more. The source is made of numbers and of names that `repr` has quoted. Whatever is
not the usual case (nulls, windows that moved on, unknown entities, odd keys, a store that does not answer) is left to others.
"""

from collections.abc import Callable, Sequence
from struct import Struct, error
from typing import Any

from attrs import define, field

from intonaco.core.errors import UnavailableError
from intonaco.infra.features.fetching import Source
from intonaco.infra.features.plan import Output, ReadPlan
from intonaco.infra.features.row import Row
from intonaco.infra.features.shape import HEADER, LATEST, NULLS, TAG, TEXTS, UNTIL, WORDS, holds_floats
from intonaco.infra.features.status import Status
from intonaco.infra.features.viewreader import ViewReader

__all__ = ["ODD", "Keys", "RowFunction", "compile_keys", "compile_row"]

#: (keys and request columns, moment, deadline, entries if they are read already, why they are not) -> row
RowFunction = Callable[..., Row]
Keys = Callable[..., list[bytes]]
#: What odd keys and entries raise.
ODD = (AttributeError, KeyError, TypeError, ValueError, error)

_LENGTH, _WHOLE = Struct(">I").pack, Struct(">q").pack
_BOOLS = {False: b"\x00", True: b"\x01"}


@define(eq=False)
class _Source:
    """Source that is being written, and the constants that it names."""

    constants: dict[str, Any] = field(factory=lambda: {"L": _LENGTH, "Q": _WHOLE, "B": _BOOLS})
    lines: list[str] = field(factory=list)

    def constant(self, value: Any) -> str:
        """The name of a constant."""
        name = f"C{len(self.constants)}"
        self.constants[name] = value
        return name

    def add(self, *lines: str) -> None:
        self.lines += lines

    def function(self, name: str) -> Callable[..., Any]:
        """The function of this name that the source defines."""
        scope = dict(self.constants)
        exec(compile("\n".join(self.lines) + "\n", f"<{name} of a read plan>", "exec"), scope)
        made: Callable[..., Any] = scope[name]
        return made


def _key(source: _Source, view: ViewReader, given: Sequence[str]) -> str:
    """The expression of a view's key, of the names of its parts; it raises one of `ODD` for what is null or of another type."""
    parts, before = [], view.prefix
    for (_, dtype), name in zip(view.plan.keys, given, strict=True):
        mark, part = _part(dtype, name)
        parts.append(f"{source.constant(before + mark)} + {part}")
        before = b""
    return " + ".join(parts)


def _part(dtype: str, name: str) -> tuple[bytes, str]:
    """What `keys.entity_key` makes of one value."""
    if dtype == "str":
        return b"s", f"L(len(e{name} := {name}.encode())) + e{name}"
    if dtype == "bytes":
        return b"b", f"L(len({name})) + ({name} if {name}.__class__ is bytes else None)"
    if dtype == "bool":
        return b"t", f"(B[{name}] if {name}.__class__ is bool else None)"
    return b"i", f"Q({name} if {name}.__class__ is int else None)"


def compile_keys(view: ViewReader) -> Keys:
    """A function of a list for each key column, that gives the keys of rows; it raises one of `ODD` if one is odd."""
    source = _Source()
    names = [f"k{number}" for number in range(len(view.plan.keys))]
    lists = [f"l{number}" for number in range(len(names))]
    rows = lists[0] if len(lists) == 1 else f"zip({', '.join(lists)})"
    source.add(f"def keys({', '.join(lists)}):", f"    return [{_key(source, view, names)} for {', '.join(names)} in {rows}]")
    return source.function("keys")


def compile_row(plan: ReadPlan, views: Sequence[ViewReader], store: Source, careful: RowFunction) -> RowFunction:
    """The function that reads one row: by itself where all is present, else by `careful`."""
    outputs = [output for view in plan.views for output in view.outputs]
    if plan.functions or tuple(output.name for output in outputs) != plan.features.names or any(_is_list(output) for output in outputs):
        return careful
    source = _Source()
    source.constants |= {"S": store, "careful": careful, "ODD": ODD, "Unavailable": UnavailableError, "new": tuple.__new__, "Row": Row}
    source.add("def row(keys, at_us, deadline_s=None):", "    try:")
    _ask(source, plan, views)
    source.add("    except ODD:", "        return careful(keys, at_us, deadline_s)", "    try:")
    source.add("        found = (S.values if deadline_s is None else S.within(deadline_s))(asked)")
    source.add("    except Unavailable as error:", "        return careful(keys, at_us, deadline_s, None, error)", "    try:")
    _answer(source, views)
    source.add("    except ODD:", "        pass", "    return careful(keys, at_us, deadline_s, found)")
    return source.function("row")


def _ask(source: _Source, plan: ReadPlan, views: Sequence[ViewReader]) -> None:
    """Lines that make the keys."""
    source.add(f"        if len(keys) != {len(plan.inputs)}:", "            raise KeyError")
    taken: dict[str, str] = {}
    for view in views:
        for name, _ in view.plan.keys:
            if name not in taken:
                taken[name] = f"k{len(taken)}"
                source.add(f"        {taken[name]} = keys[{name!r}]")
    source.add(f"        asked = [{', '.join(_key(source, view, [taken[name] for name, _ in view.plan.keys]) for view in views)}]")


def _answer(source: _Source, views: Sequence[ViewReader]) -> None:
    """Lines that take the entries apart, and give the row if all is present."""
    source.add(f"        {''.join(f'f{number}, ' for number in range(len(views)))}= found")
    conditions, values, ages = [], [], []
    for number, view in enumerate(views):
        conditions += _unpack(source, number, view)
        values += [_value(output, view.wanted[slot], number) for output, slot in zip(view.plan.outputs, view.slots, strict=True)]
        ages += [f"a{number}"] * len(view.plan.outputs)
    present = source.constant((int(Status.present),) * len(values))
    source.add(f"        if {' and '.join(conditions)}:")
    source.add(f"            return new(Row, (({', '.join(values)},), {present}, ({', '.join(ages)},), ()))")


def _unpack(source: _Source, number: int, view: ViewReader) -> list[str]:
    """Conditions under which a view's results are all present, once the line is added that takes its entry apart."""
    words = {TAG, LATEST, NULLS, *(HEADER + place for place in view.wanted)}
    if any(window >= 0 for window in view.windows):
        words.add(UNTIL)
    if any(output.dtype in TEXTS for output in view.plan.outputs):
        words.add(WORDS)
    floats = {HEADER + place for place, kind in zip(view.wanted, view.kinds, strict=True) if holds_floats(kind)}
    letters = ["8x" if word not in words else "d" if word in floats else "q" for word in range(max(words) + 1)]
    unpack = source.constant(Struct("<" + "".join(letters)).unpack_from)
    source.add(f"        {''.join(f'w{number}_{word}, ' for word in sorted(words))}= {unpack}(f{number})")
    source.add(f"        a{number} = at_us - w{number}_{LATEST}")
    delay = view.shape.layout.delay_us
    conditions = [f"w{number}_{TAG} == {view.shape.tag}", f"not w{number}_{NULLS}", f"a{number} > {delay}"]
    if UNTIL in words:
        conditions.append(f"at_us - {delay} < w{number}_{UNTIL}" if delay else f"at_us < w{number}_{UNTIL}")
    limits = [limit for output in view.plan.outputs if (limit := view.plan.limit_us(output)) is not None]
    return conditions + ([f"a{number} <= {min(limits)}"] if limits else [])


def _value(output: Output, place: int, number: int) -> str:
    """The expression of a feature's value."""
    word = f"w{number}_{HEADER + place}"
    if output.dtype in TEXTS:
        start = f"8 * w{number}_{WORDS} + ({word} >> 32)"
        text = f"f{number}[{start} : {start} + ({word} & 4294967295)]"
        return text if output.dtype == "bytes" else f"{text}.decode('utf-8', 'surrogatepass')"
    return f"{word} == 1" if output.dtype == "bool" else word


def _is_list(output: Output) -> bool:
    return output.kind == "last_k"

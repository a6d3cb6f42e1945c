"""Source for the values of a compiled row: what each feature's word says, and whether it says null."""

from typing import Any

import numpy as np
from attrs import frozen

from intonaco.core.fields import decimal_digits
from intonaco.infra.compute.decimals import as_objects
from intonaco.infra.compute.measures import NONE
from intonaco.infra.features.entries.shape import HEADER, TEXTS, WORDS, holds_floats
from intonaco.infra.features.online.plan import Output
from intonaco.infra.features.online.plansource import PlanSource
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.online.viewreader import ViewReader
from intonaco.infra.storage.entries import VALUE

__all__ = ["ValueSource", "values_of"]


@frozen
class ValueSource:
    """Expressions for one feature of a row.

    Parameters
    ----------
    value
        Its value, if it has one.
    default
        What stands in where it is null.
    null
        Whether it is null; empty for what never is.
    status
        Its status where it is null.
    """

    value: str
    default: str
    null: str
    status: int

    @property
    def either(self) -> str:
        """Its value or what stands in for it."""
        return f"({self.default} if {self.null} else {self.value})" if self.null else self.value

    @property
    def code(self) -> str:
        """Its status."""
        return f"({self.status} if {self.null} else {int(Status.present)})" if self.null else str(int(Status.present))


def values_of(source: PlanSource, view: ViewReader, number: int) -> list[ValueSource]:
    """The features of a view whose words `w{number}_{word}` were taken out of what is stored, `f{number}`."""
    made = []
    for output, slot in zip(view.plan.outputs, view.slots, strict=True):
        word = f"w{number}_{HEADER + view.wanted[slot]}"
        null = "" if output.kind == "last_k" else f"{word} != {word}" if holds_floats(view.kinds[slot]) else f"{word} == {NONE}"
        status = Status.null if output.default is None else Status.defaulted
        made.append(ValueSource(_value(source, output, word, number), source.constant(output.default), null, int(status)))
    return made


def _value(source: PlanSource, output: Output, word: str, number: int) -> str:
    if output.kind == "last_k":
        letter = "d" if output.floats else "q"
        listed = f"memoryview({_bytes(word, number)}).cast({letter!r})"
        return f"{source.constant(_Decimals(output.dtype))}({listed})" if decimal_digits(output.dtype) else f"tuple({listed})"
    if output.dtype in TEXTS:
        return _bytes(word, number) + ("" if output.dtype == "bytes" else ".decode('utf-8', 'surrogatepass')")
    if decimal_digits(output.dtype):
        return f"{source.constant(_Decimals(output.dtype))}([{word}])[0]"
    return f"{word} == 1" if output.dtype == "bool" else word


def _bytes(word: str, number: int) -> str:
    """What a text or a list is made of."""
    start = f"{VALUE.start} + 8 * w{number}_{WORDS} + ({word} >> 32)"
    return f"f{number}[{start} : {start} + ({word} & 4294967295)]"


@frozen
class _Decimals:
    """Makes decimals of a type from whole multiples of its unit."""

    dtype: str

    def __call__(self, words: Any) -> tuple[Any, ...]:
        return tuple(as_objects(np.array(words, dtype=np.int64), self.dtype).tolist())

"""Spaces: what a search may choose from, as plain data."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import asdict, field, frozen

from intonaco.core.errors import InvalidError

__all__ = ["Choice", "Dimension", "Float", "Int", "Space", "grid", "space_to_json"]


class Dimension:
    """What one parameter may be: `Float`, `Int` or `Choice`."""

    __slots__ = ()


@frozen
class Float(Dimension):
    """A number between two bounds; with `log`, even on a logarithmic scale."""

    low: float = field(converter=float)
    high: float = field(converter=float)
    log: bool = False

    def __attrs_post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)


@frozen
class Int(Dimension):
    """A whole number between two bounds, both possible; with `log`, even on a logarithmic scale."""

    low: int
    high: int
    log: bool = False

    def __attrs_post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)


@frozen(init=False)
class Choice(Dimension):
    """One of some plain values, without an order."""

    options: tuple[Any, ...]

    def __init__(self, *options: Any) -> None:
        if not options:
            raise InvalidError("a choice needs at least one option")
        self.__attrs_init__(options)


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise InvalidError(f"the bounds {low} and {high} are not in order", hint="give the lower one first")
    if log and low <= 0:
        raise InvalidError(f"a logarithmic scale cannot start at {low}", hint="start above 0")


#: Names of parameters to what each may be.
Space = Mapping[str, Dimension]


def space_to_json(space: Space) -> dict[str, Any]:
    """Plain values that tell spaces apart."""
    return {name: {"kind": type(each).__name__, **_facts(each)} for name, each in space.items()}


def _facts(dimension: Dimension) -> dict[str, Any]:
    assert isinstance(dimension, Float | Int | Choice)
    return asdict(dimension)


def grid(space: Space) -> Iterator[dict[str, Any]]:
    """Every combination, the last parameter changing first; InvalidError if a parameter has no end of values."""
    for name, each in space.items():
        if isinstance(each, Float) and each.low < each.high:
            raise InvalidError(f"parameter {name!r} has no end of values for a grid", hint="make it a Choice", field=name)
    for combination in itertools.product(*(_values(each) for each in space.values())):
        yield dict(zip(space, combination, strict=True))


def _values(dimension: Dimension) -> tuple[Any, ...]:
    if isinstance(dimension, Choice):
        return dimension.options
    if isinstance(dimension, Int):
        return tuple(range(dimension.low, dimension.high + 1))
    assert isinstance(dimension, Float)
    return (dimension.low,)

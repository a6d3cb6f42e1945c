"""Source that is written for one plan, and compiled once."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any

from attrs import define, field

__all__ = ["PlanSource"]

_WHOLE = Struct(">q").pack


def _with_usual(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"Q": _WHOLE, "bisect": bisect_left, **given}


@define(eq=False)
class PlanSource:
    """Lines of a function, and the constants that they name."""

    constants: dict[str, Any] = field(factory=dict, converter=_with_usual)
    lines: list[str] = field(factory=list)

    def constant(self, value: Any) -> str:
        """The name of a constant."""
        name = f"C{len(self.constants)}"
        self.constants[name] = value
        return name

    def add(self, *lines: str) -> None:
        """Write lines."""
        self.lines += lines

    def function(self, name: str) -> Callable[..., Any]:
        """The function of this name that the lines define."""
        scope = dict(self.constants)
        exec(compile("\n".join(self.lines) + "\n", f"<{name} of a read plan>", "exec"), scope)
        made: Callable[..., Any] = scope[name]
        return made

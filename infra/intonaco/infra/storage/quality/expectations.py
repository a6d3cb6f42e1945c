"""Expectations: checks with what is to happen where rows violate them."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from attrs import field, frozen

from intonaco.core.errors import InvalidError, QualityError
from intonaco.infra.storage.checks import Check, tried, violated

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Expectation", "Finding", "Mode", "as_expectations", "aside", "findings", "refuse", "refuse_if_violated", "warn"]

Mode = Literal["warn", "refuse", "aside"]
_MODES = ("warn", "refuse", "aside")


def _mode(_: object, __: Any, value: str) -> None:
    if value not in _MODES:
        raise InvalidError(f"{value!r} is not a mode of an expectation", hint=f"one of {', '.join(_MODES)}", field="mode")


@frozen
class Expectation:
    """What is expected of rows, and what happens where they violate it.

    Parameters
    ----------
    mode
        `warn`: the rows pass, and it is told. `refuse`: nothing of the write is written; the bad rows are kept aside. `aside`: the
        others are written, and the bad rows are kept aside.
    """

    check: Check
    mode: Mode = field(default="refuse", validator=_mode)

    def __attrs_post_init__(self) -> None:
        if self.mode == "aside" and not self.check.alone:
            hint = "use warn or refuse: which rows are bad would depend on how they are batched"
            raise InvalidError(f"{self.check} judges rows together, so that none of them can be kept aside", hint=hint, field="mode")


def warn(check: Check) -> Expectation:
    """Expect this, and tell where it does not hold."""
    return Expectation(check, "warn")


def refuse(check: Check) -> Expectation:
    """Expect this, and write nothing where it does not hold."""
    return Expectation(check, "refuse")


def aside(check: Check) -> Expectation:
    """Expect this, and keep the rows aside that violate it."""
    return Expectation(check, "aside")


def as_expectations(given: Iterable[Check | Expectation]) -> tuple[Expectation, ...]:
    """Expectations; a check alone is one that refuses."""
    return tuple(each if isinstance(each, Expectation) else Expectation(each) for each in given)


@frozen(kw_only=True, eq=False)
class Finding:
    """How rows did on one expectation.

    Parameters
    ----------
    bad : shape (rows,)
        True for each row that violates it.
    value
        The number that the check compares: a share of rows, an age in seconds, an effect size.
    text
        What is wrong, for people; empty where it holds.
    """

    expectation: Expectation
    bad: "NDArray[np.bool_]" = field(repr=False)
    value: float
    text: str = ""

    @property
    def holds(self) -> bool:
        """Whether no row violates it."""
        return not self.text

    @property
    def mode(self) -> Mode:
        """What happens where it does not hold."""
        return self.expectation.mode


def findings(expectations: Sequence[Expectation], data: pa.Table, table: str, at_us: int, hidden: Collection[str] = ()) -> list[Finding]:
    """How rows do on each expectation at a moment; SchemaError for a check that these columns cannot be held to.

    Parameters
    ----------
    hidden
        Columns whose values no text shows.
    """
    return [_found(each, data, table, at_us, hidden) for each in expectations]


def _found(expectation: Expectation, data: pa.Table, table: str, at_us: int, hidden: Collection[str]) -> Finding:
    check = expectation.check.as_of(at_us)
    bad = tried(check, data, table)
    text = violated(table, data, check, bad, hidden) if bad.any() else ""
    return Finding(expectation=expectation, bad=bad, value=check.measured(data, bad), text=text)


def refuse_if_violated(found: Sequence[Finding], kept: str = "") -> None:
    """Raise QualityError if an expectation that refuses does not hold; `kept` names where the bad rows are."""
    texts = [each.text for each in found if each.mode == "refuse" and not each.holds]
    if texts:
        hint = "mend the rows or the expectation; nothing was written" + (f", the bad rows are kept in {kept}" if kept else "")
        more = f" (and {len(texts) - 1} more expectations do not hold)" if len(texts) > 1 else ""
        raise QualityError(texts[0] + more, hint=hint)

"""Quality checks: what must hold for rows before they are committed."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from attrs import frozen

from intonaco.core.errors import QualityError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Check", "Violation", "require"]


@frozen(kw_only=True)
class Violation:
    """What a check found: the column, how many rows, and the first of them."""

    check: str
    column: str
    rows: int
    first_row: int
    value: Any


class Check(ABC):
    """One thing that must hold for every row of a write."""

    __slots__ = ()

    @abstractmethod
    def violations(self, data: "pa.Table") -> "NDArray[Any]":
        """True for each row that violates the check; shape (rows,), bool."""


def require(table: str, data: "pa.Table", checks: "tuple[Check, ...] | list[Check]") -> None:
    """Raise QualityError for the first check that rows violate."""
    for check in checks:
        bad = check.violations(data)
        if bad.any():
            first = int(bad.argmax())
            row = {name: data[name][first].as_py() for name in data.column_names[:8]}
            raise QualityError(f"{int(bad.sum())} of {len(bad)} rows for {table} violate {check}; the first is row {first}: {row}", hint="mend the rows or the check; nothing was written")

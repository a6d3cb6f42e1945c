"""Fields: what one column is called, what it holds, and whether a value may be missing."""

import difflib
import re
from collections.abc import Iterable

from attrs import field, frozen

from intonaco.core.errors import SchemaError
from intonaco.core.values import as_tuple

__all__ = ["DTYPES", "Field", "decimal_digits", "nearest", "suggestion"]

#: What a column holds. `timestamp` is microseconds since 1970 in UTC; `json` is a str that holds one JSON value. Beside these
#: there is `decimal(p,s)`: numbers of at most p digits, s of them behind the point, as `decimal.Decimal`.
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"),
    *("str", "bytes", "timestamp", "json"),
)


_DECIMAL = re.compile(r"decimal\(([1-9]\d?),(\d\d?)\)")


def decimal_digits(dtype: str) -> tuple[int, int] | None:
    """Of `decimal(p,s)` how many digits it has and how many of them stand behind the point; None of another type."""
    match = _DECIMAL.fullmatch(dtype)
    if match is None:
        return None
    precision, scale = int(match[1]), int(match[2])
    return (precision, scale) if scale <= precision <= 38 else None


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known name; empty if none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known name, else the list of them."""
    names = sorted(known)
    return nearest(name, names) or f"known: {', '.join(names) or 'none'}"


@frozen(kw_only=True)
class Field:
    """One column.

    Parameters
    ----------
    shape
        Of one row: `()` for a scalar, `(28, 28)` for an image; -1 for the one leading axis whose length varies (`Ragged`).
    categories
        All values that a categorical column of `str` may hold, in the order of their codes; empty if it is not categorical.
    tags
        Free words; `private` marks personal data.
    """

    name: str = field(kw_only=False)
    dtype: str = field(kw_only=False)
    nullable: bool = False
    shape: tuple[int, ...] = field(default=(), converter=as_tuple)
    categories: tuple[str, ...] = field(default=(), converter=as_tuple)
    unit: str = ""
    description: str = ""
    tags: tuple[str, ...] = field(default=(), converter=as_tuple)

    def __attrs_post_init__(self) -> None:
        if not self.name:
            raise SchemaError("a column needs a name")
        if self.dtype not in DTYPES and decimal_digits(self.dtype) is None:
            hint = "write decimal(18,2), with at most 38 digits" if "dec" in self.dtype else suggestion(self.dtype, DTYPES)
            raise self._fault(f"has the unknown type {self.dtype!r}", hint)
        if decimal_digits(self.dtype) and self.shape not in ((), (-1,)):
            raise self._fault(f"is {self.dtype} and has the shape {self.shape}", "a tensor holds numbers of a fixed width")
        if any(length < 1 for length in self.shape[1:]) or (self.shape and self.shape[0] < 1 and self.shape[0] != -1):
            raise self._fault(f"has the shape {self.shape}", "lengths are at least 1; only the first axis may vary, written -1")
        if self.categories and self.dtype != "str":
            raise self._fault(f"has categories, but is {self.dtype}", "only a column of str is categorical")
        if len(set(self.categories)) != len(self.categories):
            raise self._fault(f"names a category twice: {', '.join(self.categories)}")

    def _fault(self, what: str, hint: str = "") -> SchemaError:
        return SchemaError(f"column {self.name!r} {what}", hint=hint, field=self.name)

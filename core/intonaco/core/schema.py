"""Schemas: what columns are called, what they hold, and whether a value may be missing."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from intonaco.core.errors import InvalidError, SchemaError

if TYPE_CHECKING:
    from intonaco.core.columns import Columns

__all__ = ["DTYPES", "Field", "Schema", "suggestion"]

#: What a column holds. `timestamp` is microseconds since 1970 in UTC; `json` is a str that holds one JSON value.
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "str", "bytes", "timestamp", "json")


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known name, else the list of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"


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
    shape: tuple[int, ...] = field(default=(), converter=tuple)
    categories: tuple[str, ...] = field(default=(), converter=tuple)
    unit: str = ""
    description: str = ""
    tags: tuple[str, ...] = field(default=(), converter=tuple)

    def __attrs_post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InvalidError(f"column {self.name!r} has the unknown type {self.dtype!r}", hint=suggestion(self.dtype, DTYPES), field=self.name)
        if any(length < 1 for length in self.shape[1:]) or (self.shape and self.shape[0] < -1):
            raise InvalidError(f"column {self.name!r} has the shape {self.shape}; only the first axis may vary (-1)", field=self.name)


@frozen
class Schema:
    """The columns of a table, a request or an answer, in order.

    Examples
    --------
    >>> schema = Schema.of(origin="str", dep_delay="float64?")
    >>> schema["dep_delay"].nullable
    True
    """

    fields: tuple[Field, ...] = field(converter=tuple)

    def __attrs_post_init__(self) -> None:
        names = [each.name for each in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SchemaError(f"the schema names the column {twice[0]!r} twice", field=twice[0])

    @classmethod
    def of(cls, **dtypes: str) -> "Schema":
        """Build from names and types; a `?` behind a type allows missing values."""
        return cls(tuple(Field(name, text.removesuffix("?"), nullable=text.endswith("?")) for name, text in dtypes.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(each.name for each in self.fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Field:
        for each in self.fields:
            if each.name == name:
                return each
        raise SchemaError(f"no column {name!r}", hint=suggestion(name, self.names), field=name)

    def select(self, names: Iterable[str]) -> "Schema":
        """The schema of these columns, in this order."""
        return Schema(tuple(self[name] for name in names))

    def check_names(self, given: Iterable[str], where: str) -> None:
        """Raise SchemaError for the first column that is missing or not known."""
        names = list(given)
        for each in self.fields:
            if each.name not in names:
                raise SchemaError(f"{where} lacks the column {each.name!r} ({each.dtype})", hint=suggestion(each.name, names), field=each.name)
        for name in names:
            if name not in self:
                raise SchemaError(f"{where} has the unknown column {name!r}", hint=suggestion(name, self.names), field=name)

    def check(self, columns: "Columns", where: str) -> None:
        """Raise SchemaError where columns differ from this schema in name, type, shape, length or missing values."""
        from intonaco.core.columns import check_column, rows_of

        self.check_names(columns, where)
        rows = rows_of(columns, where)
        for each in self.fields:
            check_column(columns[each.name], each, rows, where)

    def to_json(self) -> list[dict[str, Any]]:
        """A list of plain values, defaults left out, that `from_json` reads."""
        plain = Field("plain", "str")
        rows = []
        for each in self.fields:
            extra = {key: getattr(each, key) for key in Field.__slots__ if not key.startswith("__") and key not in ("name", "dtype")}
            kept = {key: list(value) if isinstance(value, tuple) else value for key, value in extra.items() if value != getattr(plain, key)}
            rows.append({"name": each.name, "dtype": each.dtype, **kept})
        return rows

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, Any]]) -> "Schema":
        """Read what `to_json` wrote."""
        try:
            return cls(tuple(Field(row["name"], row["dtype"], **{k: v for k, v in row.items() if k not in ("name", "dtype")}) for row in rows))
        except (KeyError, TypeError) as error:
            raise SchemaError(f"the stored schema cannot be read: {error}") from error

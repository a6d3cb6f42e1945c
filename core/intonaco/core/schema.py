"""Schemas: the columns of a table, a request or an answer."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, fields, frozen

from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.fields import DTYPES, Field, suggestion
from intonaco.core.values import as_tuple

if TYPE_CHECKING:
    from intonaco.core.columns import Columns

__all__ = ["DTYPES", "Field", "Schema", "suggestion"]


@frozen
class Schema:
    """The columns of a table, a request or an answer, in order.

    Examples
    --------
    >>> schema = Schema.of(origin="str", dep_delay="float64?")
    >>> schema["dep_delay"].nullable
    True
    """

    fields: tuple[Field, ...] = field(converter=as_tuple)
    _by_name: dict[str, Field] = field(init=False, repr=False, eq=False)

    @_by_name.default
    def _index(self) -> dict[str, Field]:
        return {each.name: each for each in self.fields}

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
        return name in self._by_name

    def __getitem__(self, name: str) -> Field:
        try:
            return self._by_name[name]
        except KeyError:
            raise SchemaError(f"no column {name!r}", hint=suggestion(name, self.names), field=name) from None

    def select(self, names: Iterable[str]) -> "Schema":
        """The schema of these columns, in this order."""
        return Schema(tuple(self[name] for name in names))

    def check_names(self, given: Iterable[str], where: str) -> None:
        """Raise SchemaError for the first column that is missing or not known."""
        names = dict.fromkeys(given)
        for each in self.fields:
            if each.name not in names:
                raise SchemaError(
                    f"{where} lacks the column {each.name!r} ({each.dtype})", hint=suggestion(each.name, names), field=each.name
                )
        for name in names:
            if name not in self._by_name:
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
        return [_row(each) for each in self.fields]

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, Any]]) -> "Schema":
        """Read what `to_json` wrote."""
        try:
            return cls(Field(**row) for row in rows)
        except (InvalidError, TypeError) as error:
            raise SchemaError(f"the stored schema cannot be read: {error}") from error


def _row(column: Field) -> dict[str, Any]:
    """The field as plain values, defaults left out."""
    plain = Field("plain", "str")
    given = {each.name: getattr(column, each.name) for each in fields(Field)}
    kept = {key: value for key, value in given.items() if key in ("name", "dtype") or value != getattr(plain, key)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}

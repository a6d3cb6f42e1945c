"""Sources: where a view's events come from. Each row of a table, or each record of a stream, makes at most one event."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from intonaco.core.errors import DefinitionError, SchemaError
from intonaco.core.schema import Schema
from intonaco.infra.compute.expressions import RowExpressions
from intonaco.infra.features.defined.given import as_schema, family, named

if TYPE_CHECKING:
    import pyarrow as pa

    from intonaco.infra.features.defined.views import Use

__all__ = ["QuerySource", "Source", "StreamSource", "TableSource", "widened"]


class Source(ABC):
    """Events: rows that each happened at a time, in a table of the project that is only ever appended to.

    What makes events of rows looks at one row at a time, so that new rows make new events and old events stay as they are.

    Attributes
    ----------
    table
        Name of the table in the project in which the rows lie.
    columns
        Of the events: those that features use; keys and times may be left out.
    time
        The column of event times, a timestamp.
    created
        The column that says when an event became known; of two events of one entity and time the later known one holds.
    """

    __slots__ = ()

    table: str
    columns: Schema
    time: str
    created: str | None

    @property
    def uses(self) -> "tuple[Use, ...]":
        """Features of other views that events are enriched with; most sources have none."""
        return ()

    @abstractmethod
    def meaning(self, used: Iterable[str]) -> dict[str, Any]:
        """Plain values that change if and only if these columns of the events may change."""

    def needs(self, used: Iterable[str]) -> list[str]:
        """The columns of the table of which these columns of the events are made."""
        return list(dict.fromkeys(used))

    def events(self, rows: "pa.Table", used: Iterable[str]) -> "pa.Table":
        """The events that rows of the table make, in their order, with these columns.

        Raises
        ------
        SchemaError
            A value does not fit the type that its column is declared with.
        """
        found = rows.select(list(dict.fromkeys(used)))
        for place, each in enumerate(found.schema):
            if each.name in self.columns and widened(str(each.type), self.columns[each.name].dtype):
                found = found.set_column(place, each.name, self._widened(found.column(place), each.name))
        return found

    def _widened(self, whole: "pa.ChunkedArray", name: str) -> "pa.ChunkedArray":
        import pyarrow as pa

        try:
            return whole.cast(pa.float64())
        except pa.ArrowInvalid as error:
            fault = f"source {self.table!r}: column {name!r} is declared {self.columns[name].dtype} and holds integers beyond 2^53"
            raise SchemaError(fault, hint="declare it int64", field=name) from error

    def check(self, keys: Schema, where: str) -> None:  # noqa: B027  most sources stand on nothing that keys could lack
        """Raise DefinitionError where events of an entity with these keys cannot be made."""

    def _check_times(self) -> None:
        for name in (self.time, self.created):
            if name is not None and name in self.columns and self.columns[name].dtype != "timestamp":
                kind = self.columns[name].dtype
                raise DefinitionError(
                    f"source {self.table!r}: the time column {name!r} is {kind}, expected timestamp",
                    hint="declare it as timestamp, or leave it out of the columns",
                    field=name,
                )


def widened(given: str, declared: str) -> bool:
    """Whether whole numbers stand where floats are declared, and are to be made floats."""
    return family(given) == "int" and family(declared) == "float"


@frozen
class TableSource(Source):
    """A table of events: each row happened at a time.

    Parameters
    ----------
    table
        Name of the table in the project.
    time
        Its column of event times, a timestamp.
    created
        Its column that says when a row became known; of two rows of one entity and time the later known one holds.
    columns
        Names to types of the columns that features use, keys and times left out or not.
    """

    table: str = field(validator=named("table"))
    columns: Schema = field(converter=as_schema)
    time: str = field(kw_only=True)
    created: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._check_times()

    def meaning(self, used: Iterable[str]) -> dict[str, Any]:
        return {"table": self.table, "time": self.time, "created": self.created}


@frozen
class StreamSource(Source):
    """A topic of a stream whose records are events; they land in a table of the topic's name as well.

    Parameters
    ----------
    topic
        Name of the topic in the project, and of the table in which its events are kept.
    columns
        Names to types of what records hold; the keys and times must be there too, by name or by the entity.
    partitions
        How many partitions the topic has; the events of one entity may lie in any of them.
    """

    topic: str = field(validator=named("topic"))
    columns: Schema = field(converter=as_schema)
    time: str = field(kw_only=True)
    created: str | None = field(default=None, kw_only=True)
    partitions: int = field(default=1, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._check_times()
        if self.partitions < 1:
            raise DefinitionError(
                f"source {self.topic!r}: a topic has at least 1 partition, not {self.partitions}",
                hint="leave it out for 1",
                field="partitions",
            )

    @property
    def table(self) -> str:  # type: ignore[override]
        """Name of the table in which the events of the topic are kept."""
        return self.topic

    def meaning(self, used: Iterable[str]) -> dict[str, Any]:
        return {"table": self.table, "time": self.time, "created": self.created}


def _select(given: Mapping[str, str]) -> dict[str, str]:
    return dict(given)


@frozen
class QuerySource(Source):
    """Events computed from the rows of one table by SQL expressions, each row by itself.

    Parameters
    ----------
    table
        Name of the table in the project.
    columns
        Names to types of the columns that features use; an expression whose values do not fit its type is refused when it is read.
    select
        Names of columns to the SQL expressions that make them: `{"gain": "dep_delay - arr_delay"}`. Other columns are the table's.
    where
        An SQL condition; only rows for which it is true are events.

    Raises
    ------
    DefinitionError
        An expression cannot be read, or is not row-wise: it aggregates, looks at other rows, at the clock or at chance.
    """

    table: str = field(validator=named("table"))
    columns: Schema = field(converter=as_schema)
    select: Mapping[str, str] = field(factory=dict, converter=_select, kw_only=True)
    where: str = field(default="", kw_only=True)
    time: str = field(kw_only=True)
    created: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._check_times()
        self._expressions(self.select)

    def meaning(self, used: Iterable[str]) -> dict[str, Any]:
        query = self._expressions(used)
        shared = {"table": self.table, "time": self.time, "created": self.created}
        return {**shared, "select": dict(sorted(query.select.items())), "where": query.where}

    def needs(self, used: Iterable[str]) -> list[str]:
        return list(self._expressions(used).needs(used))

    def events(self, rows: "pa.Table", used: Iterable[str]) -> "pa.Table":
        return self._expressions(used).of(rows, used, self.columns)

    def _expressions(self, used: Iterable[str]) -> RowExpressions:
        select = {name: self.select[name] for name in used if name in self.select}
        return RowExpressions(select, self.where, f"source {self.table!r}")

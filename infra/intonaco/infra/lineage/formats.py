"""How artifacts are kept as bytes: one format for each kind, found by the type of the value."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from intonaco.core.columns import Masked, Ragged
from intonaco.core.discovery import load_path
from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.plugins import Plugins
from intonaco.core.schema import suggestion
from intonaco.infra.lineage import values

if TYPE_CHECKING:
    import pyarrow as pa

    from intonaco.infra.lineage.reports.report import Report

__all__ = [
    "ArrowFormat",
    "BytesFormat",
    "CellsFormat",
    "ColumnsFormat",
    "Format",
    "JsonFormat",
    "ReportFormat",
    "format_named",
    "format_of",
    "has_format",
    "is_columns",
]

COLUMNS = "intonaco.core.columns.Columns"


class Format(ABC):
    """Keeps the instances of some classes as bytes.

    Equal values give equal bytes wherever that is possible, since content is named by its digest; `decode` gives back an
    equal value and executes nothing that the bytes hold. A module of formats imports heavy libraries inside the methods.
    """

    __slots__ = ()

    #: The word under which artifacts of this format are listed; it never changes its meaning.
    kind: ClassVar[str]

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """The bytes of a value; InvalidError if it holds something that the format does not keep."""

    @abstractmethod
    def decode(self, data: bytes) -> Any:
        """The value of these bytes; CorruptError if they are not of this format."""


class JsonFormat(Format):
    """Plain values; a dict comes back in its order, every float to the bit."""

    kind = "json"

    def encode(self, value: Any) -> bytes:
        return values.dumps(values.encode(value)).encode("ascii")

    def decode(self, data: bytes) -> Any:
        return values.decode(values.loads(data))


class BytesFormat(Format):
    """Bytes as they are."""

    kind = "bytes"

    def encode(self, value: Any) -> bytes:
        return bytes(value)

    def decode(self, data: bytes) -> Any:
        return data


class ArrowFormat(Format):
    """Arrow tables, as an IPC file of one batch."""

    kind = "arrow"

    def encode(self, value: "pa.Table") -> bytes:
        from intonaco.infra.lineage.arrow import write

        return write(value)

    def decode(self, data: bytes) -> "pa.Table":
        from intonaco.infra.lineage.arrow import read

        return read(data)


class ColumnsFormat(Format):
    """Columns (names to arrays), as an Arrow IPC file that says how to restore each."""

    kind = "columns"

    def encode(self, value: Any) -> bytes:
        from intonaco.infra.lineage.arrow import columns_to_table, write

        return write(columns_to_table(value))

    def decode(self, data: bytes) -> Any:
        from intonaco.infra.lineage.arrow import read, table_to_columns

        return table_to_columns(read(data))


class ReportFormat(Format):
    """Reports, as their JSON."""

    kind = "report"

    def encode(self, value: "Report") -> bytes:
        return values.dumps(values.encode(value.to_json())).encode("ascii")

    def decode(self, data: bytes) -> "Report":
        from intonaco.infra.lineage.reports.report import Report

        return Report.from_json(values.decode(values.loads(data)))


class CellsFormat(Format):
    """Cells, as JSON."""

    kind = "cells"

    def encode(self, value: Any) -> bytes:
        return values.dumps(value.to_json()).encode("ascii")

    def decode(self, data: bytes) -> Any:
        from intonaco.infra.lineage.cells import Cells

        return Cells.from_json(values.loads(data))


def format_of(value: Any, plugins: Plugins) -> Format:
    """The format that a plugin offers for the nearest class of the value.

    Raises
    ------
    InvalidError
        No plugin offers one; the message names the hook.
    """
    path = _offered(value, plugins)
    if path is not None:
        return _instance(path)
    cls = f"{type(value).__module__}.{type(value).__qualname__}"
    hint = f"use plain values, columns, Arrow tables or bytes, or offer a Format for {cls!r} through the hook artifact_formats"
    raise InvalidError(f"no artifact format keeps a {cls}", hint=hint)


def has_format(value: Any, plugins: Plugins) -> bool:
    """Whether a plugin offers a format for the value's class."""
    return _offered(value, plugins) is not None


def _offered(value: Any, plugins: Plugins) -> str | None:
    offers = plugins.offers("artifact_formats")
    return next((offers[name].path for name in _class_names(value) if name in offers), None)


def _class_names(value: Any) -> list[str]:
    classes = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__]
    return [COLUMNS, *classes] if is_columns(value) else classes


def is_columns(value: Any) -> bool:
    """Whether it maps names to arrays."""
    if not isinstance(value, Mapping) or not value:
        return False
    first = next(iter(value.values()))
    return isinstance(first, Masked | Ragged) or (type(first).__module__ == "numpy" and getattr(first, "ndim", 0) > 0)


def format_named(kind: str, plugins: Plugins) -> Format:
    """The format of artifacts of this kind; MissingError if no plugin offers it."""
    kinds = []
    for path in dict.fromkeys(offer.path for offer in plugins.offers("artifact_formats").values()):
        found = _instance(path)
        if found.kind == kind:
            return found
        kinds.append(found.kind)
    raise MissingError(f"no plugin offers the format of {kind!r} artifacts", hint=suggestion(kind, kinds), field=kind)


@cache
def _instance(path: str) -> Format:
    made: Format = load_path(path)()
    return made
